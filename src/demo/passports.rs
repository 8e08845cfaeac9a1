//! Which passport does a run leave on disk, and is it a good one?

use std::fs;
use std::path::PathBuf;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::DemoError;
use super::runs::Run;
use super::words::{self, Turns, once_in};

/// Where a project keeps its passports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// The next run's passport has no run id in its name.
    Older,
    /// Each passport is named after its run, and no file has the older name yet.
    Newer,
    /// Likewise, and there is a file with the older name.
    Full,
}

/// What is wrong with a passport; each makes its run a violation, in both layouts.
#[derive(Clone, Copy)]
enum Fault {
    Missing,
    NotJson,
    Empty,
    NoObject,
    Lacks(&'static str),
    LacksOfEnvironment(&'static str),
    Null(&'static str),
    OtherRun,
    OtherProject,
    OtherFolder,
    Twice,
}

const FAULTS: [Fault; 21] = [
    Fault::Missing,
    Fault::NotJson,
    Fault::Twice,
    Fault::Lacks("project_id"),
    Fault::Lacks("run_id"),
    Fault::Lacks("run_kind"),
    Fault::OtherRun,
    Fault::Lacks("provider_matrix"),
    Fault::Lacks("capabilities"),
    Fault::OtherProject,
    Fault::Lacks("prd_sha"),
    Fault::Lacks("env"),
    Fault::LacksOfEnvironment("git_commit"),
    Fault::LacksOfEnvironment("python_version"),
    Fault::Lacks("started_at"),
    Fault::Twice,
    Fault::Null("prd_sha"),
    Fault::Null("env"),
    Fault::Empty,
    Fault::NoObject,
    Fault::OtherFolder,
];

/// The artifacts folder.
pub(super) struct Cabinet {
    artifacts: PathBuf,
    faults: Turns<Fault>,
}

impl Cabinet {
    pub(super) fn new(artifacts: PathBuf) -> Self {
        Self { artifacts, faults: Turns::new(&FAULTS) }
    }

    /// Files a run's passport; true where it is a faulty one.
    pub(super) fn file(&mut self, rng: &mut Rng, run: &Run, layout: &mut Layout) -> Result<bool, DemoError> {
        let run_id = run.uuid.as_deref().unwrap_or_default();
        let named = format!("replay_passport_{run_id}.json");
        let older = "replay_passport.json";
        let mut passport = passport(rng, run);
        let fault = if once_in(rng, 30) { self.faults.next() } else { None };
        let name = if *layout == Layout::Older { older } else { named.as_str() };
        let text = match fault {
            None => {
                self.file_harmless_oddity(rng, run, layout, &mut passport)?;
                Value::Object(passport).to_string()
            }
            Some(Fault::Missing) => return Ok(true),
            Some(Fault::NotJson) => Value::Object(passport).to_string().replace(':', "="),
            Some(Fault::Empty) => String::new(),
            Some(Fault::NoObject) => json!([passport]).to_string(),
            Some(Fault::Lacks(field)) => {
                passport.shift_remove(field);
                Value::Object(passport).to_string()
            }
            Some(Fault::LacksOfEnvironment(field)) => {
                if let Some(Value::Object(environment)) = passport.get_mut("env") {
                    environment.shift_remove(field);
                }
                Value::Object(passport).to_string()
            }
            Some(Fault::Null(field)) => {
                passport.insert(field.into(), Value::Null);
                Value::Object(passport).to_string()
            }
            Some(Fault::OtherRun) => {
                passport.insert("run_id".into(), words::uuid(rng).into());
                Value::Object(passport).to_string()
            }
            Some(Fault::OtherProject) => {
                passport.insert("project_id".into(), (run.project + 1).into());
                Value::Object(passport).to_string()
            }
            Some(Fault::OtherFolder) => {
                self.put(run.project + 1, &named, &Value::Object(passport).to_string())?;
                return Ok(true);
            }
            Some(Fault::Twice) => {
                let text = Value::Object(passport).to_string();
                if *layout != Layout::Full {
                    *layout = Layout::Full;
                    self.put(run.project, &named, &text)?;
                    self.put(run.project, older, &text)?;
                }
                return Ok(true);
            }
        };
        self.put(run.project, name, &text)?;
        if *layout == Layout::Older {
            *layout = Layout::Full;
        }
        Ok(fault.is_some())
    }

    /// What looks wrong and is not.
    fn file_harmless_oddity(
        &self,
        rng: &mut Rng,
        run: &Run,
        layout: &mut Layout,
        passport: &mut Map<String, Value>,
    ) -> Result<(), DemoError> {
        match rng.u8(..) {
            0..12 => {
                passport.insert("project_id".into(), run.project.to_string().into());
            }
            12..24 => {
                passport.insert("notes".into(), "run_id: another | project\n\u{202e}".into());
            }
            24..30 => self.put(run.project, "replay_passport_.json.bak", "{")?,
            // Counts for no run.
            30..36 if *layout == Layout::Newer => {
                *layout = Layout::Full;
                self.put(run.project, "replay_passport.json", "{\"run_id\":")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&self, project: i64, name: &str, text: &str) -> Result<(), DemoError> {
        let folder = self.artifacts.join(format!("project-{project}"));
        fs::create_dir_all(&folder).map_err(DemoError::write(&folder))?;
        let path = folder.join(name);
        fs::write(&path, text).map_err(DemoError::write(&path))
    }
}

fn passport(rng: &mut Rng, run: &Run) -> Map<String, Value> {
    let matrix = words::provider_matrix(rng);
    let fields = json!({
        "project_id": run.project,
        "run_id": run.uuid,
        "run_kind": run.kind,
        "provider_matrix": serde_json::from_str(&matrix).unwrap_or(Value::String(matrix)),
        "capabilities": ["shell"],
        "prd_sha": words::hex(rng, 64),
        "env": { "git_commit": words::hex(rng, 40), "python_version": "3.11.9" },
        "started_at": run.started_at,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
