-- The tables of a PLMS registry. Newer installations add strata_coverage to project_runs.
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    tags TEXT,
    status TEXT NOT NULL DEFAULT 'ideation',
    prd_path TEXT,
    budget_tokens_max INTEGER,
    budget_cost_usd_max REAL,
    breach_policy TEXT,
    min_echo_cos REAL,
    quality_slo_gates TEXT,
    estimated_tokens INTEGER,
    estimated_duration_minutes REAL,
    estimated_cost_usd REAL,
    actual_tokens INTEGER,
    actual_duration_minutes REAL,
    actual_cost_usd REAL,
    created_at TEXT NOT NULL,
    prd_generated_at TEXT,
    approved_at TEXT,
    started_at TEXT,
    completed_at TEXT
);
CREATE TABLE project_runs (
    id INTEGER PRIMARY KEY,
    project_id INTEGER,
    run_id TEXT,
    status TEXT,
    started_at TEXT,
    completed_at TEXT,
    run_kind TEXT NOT NULL DEFAULT 'baseline',
    rehearsal_pct REAL,
    provider_matrix_json TEXT,
    capability_snapshot TEXT,
    risk_score REAL,
    validation_pass BOOLEAN DEFAULT NULL,
    write_sandbox BOOLEAN DEFAULT FALSE,
    cost_receipt_path TEXT,
    heartbeat_ok_ratio REAL,
    token_budget_breaches INTEGER DEFAULT 0
);
CREATE INDEX idx_project_runs_kind_time ON project_runs (project_id, run_kind, started_at);
CREATE TABLE task_estimates (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    task_name TEXT NOT NULL,
    parent_task_id INTEGER,
    order_index INTEGER,
    tmd_lane INTEGER,
    store_hint TEXT,
    complexity TEXT,
    estimated_tokens INTEGER,
    estimated_duration_minutes REAL,
    estimated_cost_usd REAL,
    status TEXT,
    kpi_formula TEXT
);
CREATE TABLE lane_overrides (
    id INTEGER PRIMARY KEY,
    task_estimate_id INTEGER NOT NULL,
    task_description TEXT,
    predicted_lane INTEGER,
    corrected_lane INTEGER,
    corrected_by TEXT,
    corrected_at TEXT
);
CREATE TABLE estimate_versions (
    id INTEGER PRIMARY KEY,
    project_id INTEGER,
    lane_id INTEGER,
    provider_name TEXT,
    created_at TEXT,
    priors_hash TEXT,
    tokens_mean REAL,
    tokens_stddev REAL,
    duration_ms_mean REAL,
    duration_ms_stddev REAL,
    cost_usd_mean REAL,
    cost_usd_stddev REAL,
    n_observations INTEGER,
    mean_absolute_error_tokens REAL,
    mean_absolute_error_duration_ms REAL,
    mean_absolute_error_cost_usd REAL
);
CREATE TABLE kpi_receipts (
    id INTEGER PRIMARY KEY,
    task_id INTEGER,
    run_id TEXT,
    lane_id INTEGER,
    kpi_name TEXT,
    kpi_value REAL,
    kpi_threshold TEXT,
    pass BOOLEAN,
    logs_path TEXT,
    measured_at TEXT
);
CREATE TABLE project_artifacts (
    id INTEGER PRIMARY KEY,
    run_id TEXT,
    project_id INTEGER,
    artifact_path TEXT,
    artifact_kind TEXT,
    size_bytes INTEGER,
    sha256 TEXT
);
CREATE TABLE project_questions (
    id INTEGER PRIMARY KEY,
    project_id INTEGER,
    question TEXT,
    answer TEXT,
    asked_at TEXT,
    answered_at TEXT
);
CREATE TABLE project_approvals (
    id INTEGER PRIMARY KEY,
    project_id INTEGER,
    approver TEXT,
    decision TEXT,
    comment TEXT,
    decided_at TEXT
);
CREATE TABLE action_logs (
    id INTEGER PRIMARY KEY,
    actor TEXT,
    action TEXT,
    details TEXT,
    created_at TEXT,
    project_id INTEGER
);
