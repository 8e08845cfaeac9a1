-- The strict eight as an operator writes them by hand: one statement each, violating rows counted once.
-- (Passports on disk apart, which SQL cannot see.)
SELECT 'passport_artifacts', count(*) FROM project_runs WHERE run_id IS NULL OR run_id = '';

SELECT 'kpi_formulas', count(*) FROM task_estimates t
WHERE t.kpi_formula IS NOT NULL
  AND (json_valid(t.kpi_formula) IS NOT TRUE
    OR json_type(CASE WHEN json_valid(t.kpi_formula) THEN t.kpi_formula ELSE '[]' END) <> 'object'
    OR EXISTS (
        SELECT 1 FROM json_each(CASE WHEN json_valid(t.kpi_formula) THEN t.kpi_formula ELSE '[]' END) k
        WHERE k.key NOT IN ('test_pass_rate', 'linter_pass', 'schema_diff', 'row_count_delta',
                            'graph_edge_count_delta', 'bleu_score', 'readability')));

SELECT 'baseline_sandbox', count(*) FROM project_runs WHERE run_kind = 'baseline' AND write_sandbox = 1;

SELECT 'calibration_sources', count(*) FROM (
    SELECT v.id FROM estimate_versions v WHERE v.project_id IS NULL
    UNION
    SELECT v.id FROM estimate_versions v LEFT JOIN project_runs r ON r.project_id = v.project_id
    WHERE r.id IS NULL
    UNION
    SELECT v.id FROM estimate_versions v JOIN project_runs r ON r.project_id = v.project_id
    WHERE r.validation_pass IS NULL OR r.validation_pass = 0);

SELECT 'lane_overrides', count(*) FROM lane_overrides WHERE predicted_lane = corrected_lane;

SELECT 'calibration_pollution', count(DISTINCT v.id)
FROM estimate_versions v JOIN project_runs r ON r.project_id = v.project_id
WHERE r.run_kind IN ('rehearsal', 'replay') OR r.write_sandbox = 1 OR r.validation_pass = 0;

SELECT 'provider_snapshots', count(*) FROM project_runs r
WHERE r.run_kind IN ('baseline', 'hotfix')
  AND (r.provider_matrix_json IS NULL
    OR r.provider_matrix_json = ''
    OR json_valid(r.provider_matrix_json) IS NOT TRUE
    OR json_type(CASE WHEN json_valid(r.provider_matrix_json) THEN r.provider_matrix_json ELSE '[]' END) <> 'object'
    OR NOT EXISTS (
        SELECT 1 FROM json_each(CASE WHEN json_valid(r.provider_matrix_json) THEN r.provider_matrix_json ELSE '[]' END)));

SELECT 'strata_coverage', count(*) FROM project_runs WHERE run_kind = 'rehearsal' AND strata_coverage < 1.0;
