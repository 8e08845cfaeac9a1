//! Makes a demo registry and says what was planted: `generate RUNS FOLDER [SEED] [wal]`.

use std::time::Instant;

use plms_invariants::demo::{Journal, Plan, generate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().ok_or("how many runs?")?.parse()?;
    let mut plan = Plan::new(arguments.next().ok_or("into which folder?")?, runs);
    if let Some(seed) = arguments.next() {
        plan.seed = seed.parse()?;
    }
    if arguments.next().as_deref() == Some("wal") {
        plan.journal = Journal::Wal;
    }
    let begin = Instant::now();
    let planted = generate(&plan)?;
    let bytes = std::fs::metadata(&planted.registry)?.len();
    let seconds = begin.elapsed().as_secs_f64();
    let mut stdout = std::io::stdout().lock();
    std::io::Write::write_fmt(&mut stdout, format_args!("{planted:#?}\n{bytes} bytes in {seconds:.1} s\n"))?;
    Ok(())
}
