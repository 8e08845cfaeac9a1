-- The floor: every row of the four tables looked at once, and nothing asked.
SELECT count(*) FROM project_runs NOT INDEXED;
SELECT count(*) FROM task_estimates NOT INDEXED;
SELECT count(*) FROM lane_overrides NOT INDEXED;
SELECT count(*) FROM estimate_versions NOT INDEXED;
