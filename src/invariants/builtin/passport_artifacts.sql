/*---
id = "passport_artifacts"
title = "Every run has exactly one valid replay passport"
severity = "warning"
tags = ["standard"]
table = "project_runs"
violates = "coalesce(run_id, '') = '' OR (passports_are_read() AND passport_fault(project_id, run_id) IS NOT NULL)"
reason = "CASE WHEN run_id IS NULL THEN 'run_id is NULL' WHEN run_id = '' THEN 'run_id is empty' ELSE passport_fault(project_id, run_id) END"
key = ["id"]
show = ["project_id", "run_id"]
timeout = "5min"
needs = ["project_runs.project_id", "project_runs.run_id"]
description = "A run without a run_id, or whose passport is missing, doubled, not JSON, incomplete, or of another run, cannot be replayed. Files are read where ARTIFACTS_DIR is set."
---*/
