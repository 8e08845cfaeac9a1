/*---
id = "kpi_formulas"
title = "KPI formulas are JSON objects of registered validators"
severity = "warning"
tags = ["standard"]
table = "task_estimates"
violates = "formula_fault(kpi_formula) IS NOT NULL"
reason = "formula_fault(kpi_formula)"
key = ["id"]
show = ["project_id", "task_name", "kpi_formula"]
timeout = "2min"
needs = ["task_estimates.kpi_formula"]
description = "A formula that no validator can read measures nothing. A task without a formula keeps the rule."
---*/
