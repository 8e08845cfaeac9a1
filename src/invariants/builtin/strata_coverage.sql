/*---
id = "strata_coverage"
title = "Rehearsals cover every stratum"
severity = "warning"
tags = ["strict"]
table = "project_runs"
violates = "run_kind = 'rehearsal' AND strata_coverage < 1.0"
reason = "'a rehearsal with strata_coverage below 1.0'"
key = ["id"]
show = ["project_id", "run_id", "strata_coverage"]
timeout = "2min"
needs = ["project_runs.strata_coverage"]
on_missing = "skip"
---*/
