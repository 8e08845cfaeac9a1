/*---
id = "baseline_sandbox"
title = "Baseline runs do not write into the sandbox"
severity = "warning"
tags = ["standard"]
table = "project_runs"
violates = "write_sandbox = 1 AND run_kind = 'baseline'"
reason = "'a baseline run with write_sandbox = 1'"
key = ["id"]
show = ["project_id", "run_id", "started_at"]
timeout = "2min"
needs = ["project_runs.run_kind", "project_runs.write_sandbox"]
---*/
