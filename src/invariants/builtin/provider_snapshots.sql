/*---
id = "provider_snapshots"
title = "Baseline and hotfix runs name the providers they used"
severity = "critical"
tags = ["strict"]
table = "project_runs"
violates = "(object_entries(provider_matrix_json) > 0) IS NOT TRUE AND run_kind IN ('baseline', 'hotfix')"
reason = "CASE WHEN provider_matrix_json IS NULL THEN 'provider_matrix_json is NULL' WHEN provider_matrix_json = '' THEN 'provider_matrix_json is empty' WHEN object_entries(provider_matrix_json) = 0 THEN 'provider_matrix_json has no entry' ELSE 'provider_matrix_json is no JSON object' END"
key = ["id"]
show = ["project_id", "run_id", "run_kind"]
timeout = "2min"
needs = ["project_runs.run_kind", "project_runs.provider_matrix_json"]
---*/
