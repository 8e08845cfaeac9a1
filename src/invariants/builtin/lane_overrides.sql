/*---
id = "lane_overrides"
title = "A lane override changes the lane"
severity = "warning"
tags = ["standard"]
table = "lane_overrides"
violates = "predicted_lane = corrected_lane"
reason = "'predicted and corrected lane are the same'"
key = ["id"]
show = ["task_estimate_id", "predicted_lane", "corrected_lane", "corrected_by"]
timeout = "2min"
needs = ["lane_overrides.predicted_lane", "lane_overrides.corrected_lane"]
---*/
