/*---
id = "calibration_sources"
title = "Calibration data comes from projects whose runs are all validated"
severity = "warning"
tags = ["standard"]
table = "estimate_versions"
violates = "NOT project_is_validated(project_id)"
reason = "CASE WHEN project_id IS NULL THEN 'project_id is NULL' WHEN NOT project_has_run(project_id) THEN 'its project has no run' ELSE 'a run of its project is not validated' END"
key = ["id"]
show = ["project_id", "provider_name", "created_at"]
timeout = "2min"
needs = ["estimate_versions.project_id", "project_runs.project_id", "project_runs.validation_pass"]
---*/
