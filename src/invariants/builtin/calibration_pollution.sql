/*---
id = "calibration_pollution"
title = "No rehearsal, replay, sandbox or failed run feeds calibration"
severity = "critical"
tags = ["strict"]
table = "estimate_versions"
violates = "project_is_polluted(project_id)"
reason = "'its project has a rehearsal, replay, sandbox or failed run'"
key = ["id"]
show = ["project_id", "provider_name", "created_at"]
timeout = "2min"
needs = ["estimate_versions.project_id", "project_runs.project_id", "project_runs.run_kind", "project_runs.write_sandbox", "project_runs.validation_pass"]
---*/
