//! Who does what next, and what has come of it? The work of a run, shared by its readers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::plan::{Plan, Query, Scan};
use super::shared::Shared;
use super::work::{Chunk, Failure, Found, Settled, Task, Work};
use crate::observe::cancel::{Cancel, Stop};
use crate::verdict::invariants::{Outcome, SampleRow};

/// What is not finished because a writer must not be kept out.
pub const WRITER_WAITS: &str = "not finished: somebody waits to write to the registry, whom reading keeps out \
                                (its journal is a rollback journal; with journal_mode = WAL nobody waits)";

/// How often a waiting reader looks whether it must stop.
const LOOK: Duration = Duration::from_millis(50);

/// The work of one run.
pub struct Board {
    /// What SQL functions answer from.
    pub shared: Arc<Shared>,
    /// The run's end.
    pub cancel: Cancel,
    /// Statements of their own.
    pub queries: Vec<Arc<Query>>,
    /// Per invariant: its timeout and the size of its sample.
    pub limits: Vec<(Duration, usize)>,
    work: Mutex<Work>,
    wake: Condvar,
}

impl Board {
    /// The work of a plan; `ranges` cuts a scan into pieces.
    pub fn new(
        plan: Plan,
        limits: Vec<(Duration, usize)>,
        shared: Arc<Shared>,
        cancel: Cancel,
        mut ranges: impl FnMut(&Scan) -> Vec<Option<(i64, i64)>>,
    ) -> Self {
        let mut work = Work { settled: vec![None; limits.len()], ..Work::default() };
        for (invariant, outcome) in plan.settled {
            if let Some(slot) = work.settled.get_mut(invariant) {
                *slot = Some((outcome, None));
            }
        }
        for scan in plan.scans {
            let ranges = ranges(&scan);
            work.add_scan(scan, ranges);
        }
        let queries: Vec<_> = plan.queries.into_iter().map(Arc::new).collect();
        work.tasks.extend((0..queries.len()).map(Task::Query));
        work.steps.1 = work.tasks.len();
        Self { shared, cancel, queries, limits, work: Mutex::new(work), wake: Condvar::new() }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many pieces are done, and of how many.
    #[must_use]
    pub fn steps(&self) -> (usize, usize) {
        self.work().steps
    }

    /// How many pieces of work there are: more readers than that are of no use.
    #[must_use]
    pub fn width(&self) -> usize {
        self.work().tasks.len()
    }

    /// How many readers took part.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.work().readers
    }

    /// A reader takes part.
    pub fn join(&self) {
        self.work().readers += 1;
    }

    /// Readers that wait look again.
    pub fn wake(&self) {
        self.wake.notify_all();
    }

    /// The next piece that can be begun; `None` once there is nothing left, or the run must stop.
    pub fn next(&self) -> Option<Task> {
        let mut work = self.work();
        loop {
            if self.cancel.stop().is_some() {
                return None;
            }
            if let Some(place) = work.tasks.iter().position(|task| self.is_ready(&work, task)) {
                work.busy += 1;
                return work.tasks.remove(place);
            }
            // Nobody is at work on what the rest waits for, but for the thread that reads passports.
            if work.busy == 0 && (work.tasks.is_empty() || !self.awaits_passports()) {
                return None;
            }
            work = self.wake.wait_timeout(work, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether passports are to be looked at, and have not been read yet.
    #[must_use]
    pub fn awaits_passports(&self) -> bool {
        self.shared.artifacts.as_ref().is_some_and(|artifacts| artifacts.passports.get().is_none())
    }

    /// A reader has died; its piece of work will have no answer.
    pub fn bury(&self) {
        let mut work = self.work();
        work.busy = work.busy.saturating_sub(1);
        drop(work);
        self.wake();
    }

    fn is_ready(&self, work: &Work, task: &Task) -> bool {
        let asked = match task {
            Task::Scan(scan, _) | Task::Entries(scan) => work.scans.get(*scan).map(|state| state.scan.asked),
            Task::Query(query) => self.queries.get(*query).map(|query| query.asked),
            Task::Sample(_) => None,
        };
        let asked = asked.unwrap_or_default();
        (!asked.facts || self.shared.facts.get().is_some()) && (!asked.passports || !self.awaits_passports())
    }

    /// What a scan is, and when it must end.
    pub fn begin(&self, scan: usize) -> Option<(Arc<Scan>, Instant)> {
        let mut work = self.work();
        let state = work.scans.get_mut(scan)?;
        let began = *state.began.get_or_insert_with(Instant::now);
        let timeout =
            state.scan.members.iter().filter_map(|m| self.limits.get(m.invariant)).map(|l| l.0).min();
        let end = timeout.and_then(|timeout| began.checked_add(timeout)).unwrap_or(self.cancel.deadline());
        // What has failed once is not read on; its pieces are only counted down.
        state.failed.is_none().then(|| (Arc::clone(&state.scan), end))
    }

    /// Whether a piece of a scan may still hold one of the lowest violating rows of a member.
    pub fn wants_rows(&self, scan: usize, member: usize, range: Option<(i64, i64)>) -> bool {
        let work = self.work();
        let Some(state) = work.scans.get(scan) else { return false };
        let most =
            state.scan.members.get(member).and_then(|m| self.limits.get(m.invariant)).map_or(0, |l| l.1);
        let rows = state.found.get(member).map_or(&[][..], |found| &found.rows);
        let lower = |first: i64| rows.last().is_none_or(|&last| first <= last);
        most > 0 && (rows.len() < most || range.is_none_or(|(first, _)| lower(first)))
    }

    /// The scan and the rows found, for its sample.
    pub fn found(&self, scan: usize) -> Option<(Arc<Scan>, Vec<Found>)> {
        let work = self.work();
        let state = work.scans.get(scan)?;
        Some((Arc::clone(&state.scan), state.found.clone()))
    }

    /// A reader is done with a piece of a scan; `None`: it was left out.
    pub fn scanned(&self, scan: usize, chunk: Option<Result<Chunk, Failure>>) {
        let mut work = self.work();
        work.done();
        let Some(state) = work.scans.get_mut(scan) else { return };
        match chunk {
            Some(Ok(chunk)) => {
                if chunk.is_disordered {
                    let words = format!("the rows of {} are not in their order", state.scan.table);
                    state.failed = Some(Failure::damaged(&words));
                }
                state.examined += chunk.examined;
                state.facts.merge(chunk.facts);
                for ((found, more), member) in
                    state.found.iter_mut().zip(chunk.found).zip(&state.scan.members)
                {
                    found.merge(more, self.limits.get(member.invariant).map_or(0, |limit| limit.1));
                }
            }
            Some(Err(failure)) => {
                let (scan, is_stop) = (Arc::clone(&state.scan), failure.is_stop());
                state.failed.get_or_insert(failure);
                if is_stop {
                    work.interrupted.extend(scan.members.iter().map(|member| member.invariant));
                }
            }
            None => {}
        }
        self.piece_is_done(work, scan);
    }

    /// A reader has counted what a scan must come to; `None`: it could not, and the scan stands alone.
    pub fn counted(&self, scan: usize, entries: Option<u64>) {
        let mut work = self.work();
        work.done();
        let Some(state) = work.scans.get_mut(scan) else { return };
        state.entries = entries;
        self.piece_is_done(work, scan);
    }

    fn piece_is_done(&self, mut work: MutexGuard<'_, Work>, scan: usize) {
        let Some(state) = work.scans.get_mut(scan) else { return };
        state.chunks_left -= 1;
        if state.chunks_left == 0 {
            if state.failed.is_none() {
                state.failed = state.damage();
            }
            self.scan_is_over(&mut work, scan);
        }
        drop(work);
        self.wake();
    }

    fn scan_is_over(&self, work: &mut Work, scan: usize) {
        let Some(state) = work.scans.get_mut(scan) else { return };
        let Some(failure) = state.failed.clone() else {
            if state.scan.fold.is_some() {
                let _ = self.shared.facts.set(Ok(std::mem::take(&mut state.facts)));
            }
            // Before anything that may take long: a run that is stopped there has its answer.
            work.tasks.push_front(Task::Sample(scan));
            work.steps.1 += 1;
            return;
        };
        let whole = Arc::clone(&state.scan);
        let elapsed = state.elapsed();
        if matches!(failure, Failure::Stopped) {
            return;
        }
        let is_damage = matches!(failure, Failure::Damaged(_));
        if !is_damage && whole.members.len() + usize::from(whole.fold.is_some()) > 1 {
            // One of them is at fault: each is asked alone, so that the others have their answer.
            let alone = whole.members.iter().map(|member| (vec![member.clone()], None));
            let fold = whole.fold.iter().map(|fold| (vec![], Some(fold.clone())));
            for (members, fold) in alone.chain(fold) {
                work.add_scan(Scan { members, fold, ..(*whole).clone() }, vec![None]);
            }
            return;
        }
        let error = failure.sentence();
        for member in &whole.members {
            let timeout = self.limits.get(member.invariant).map(|limit| limit.0);
            work.settle(member.invariant, Outcome::failed(&failure, timeout), elapsed);
        }
        if whole.fold.is_some() {
            let _ = self.shared.facts.set(Err(format!("the pass over project_runs failed: {error}")));
        }
    }

    /// The samples of a scan are there, and with them its outcomes.
    pub fn sampled(&self, scan: usize, samples: Vec<Result<Vec<SampleRow>, String>>) {
        let mut work = self.work();
        work.done();
        let Some(state) = work.scans.get(scan) else { return };
        let (examined, elapsed, found, scan) =
            (state.examined, state.elapsed(), state.found.clone(), Arc::clone(&state.scan));
        for ((member, found), sample) in scan.members.iter().zip(found).zip(samples) {
            let (sample, error) = match sample {
                Ok(sample) => (sample, None),
                Err(error) => (vec![], Some(format!("its sample could not be read: {error}"))),
            };
            let examined = (!scan.indexed).then_some(examined);
            let errors = error.into_iter().collect();
            let outcome = Outcome::Checked { violations: found.violations, examined, sample, errors };
            work.settle(member.invariant, outcome, elapsed);
        }
        drop(work);
        self.wake();
    }

    /// A statement is answered, or not.
    pub fn answered(&self, query: &Query, answer: Result<Outcome, Failure>, elapsed: Duration) {
        let mut work = self.work();
        work.done();
        let timeout = self.limits.get(query.invariant).map(|limit| limit.0);
        match answer {
            Ok(outcome) => work.settle(query.invariant, outcome, elapsed),
            Err(Failure::Stopped) => work.interrupted.push(query.invariant),
            Err(failure) => work.settle(query.invariant, Outcome::failed(&failure, timeout), elapsed),
        }
        drop(work);
        self.wake();
    }

    /// Begins these last, so that they keep no others from their answer.
    pub fn put_last(&self, invariants: &[usize]) {
        let mut work = self.work();
        let asks_one = |task: &Task| match task {
            Task::Scan(scan, _) | Task::Entries(scan) | Task::Sample(scan) => work
                .scans
                .get(*scan)
                .is_some_and(|state| state.scan.members.iter().any(|m| invariants.contains(&m.invariant))),
            Task::Query(query) => {
                self.queries.get(*query).is_some_and(|query| invariants.contains(&query.invariant))
            }
        };
        let (last, first): (Vec<_>, Vec<_>) = work.tasks.iter().cloned().partition(asks_one);
        work.tasks = first.into_iter().chain(last).collect();
    }

    /// The invariants that were in hand when the run had to stop.
    #[must_use]
    pub fn interrupted(&self) -> Vec<usize> {
        self.work().interrupted.clone()
    }

    /// Every outcome; what has none yet says why, and keeps what was found until then.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Settled> {
        let work = self.work();
        let why = match self.cancel.stop() {
            Some(Stop::Asked) => "not finished: the run was stopped by a signal",
            Some(Stop::Writer) => WRITER_WAITS,
            Some(Stop::Deadline | Stop::Timeout) => "not finished: the run's time is over",
            None => "not finished: its reader ended without an answer",
        };
        let unsettled = |invariant: usize| {
            let part = work.scans.iter().find_map(|state| {
                let place = state.scan.members.iter().position(|member| member.invariant == invariant)?;
                let violations = state.found.get(place)?.violations;
                (violations > 0 && state.failed.as_ref().is_none_or(Failure::is_stop)).then_some(violations)
            });
            let errors = vec![why.to_owned()];
            match part {
                Some(violations) => Outcome::Checked { violations, examined: None, sample: vec![], errors },
                None => Outcome::Failed { errors },
            }
        };
        let each = work.settled.iter().enumerate();
        each.map(|(index, known)| known.clone().unwrap_or_else(|| (unsettled(index), None))).collect()
    }
}
