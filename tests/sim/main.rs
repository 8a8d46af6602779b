//! Runs simulated clusters.
//!
//! - `starling-sim --seeds N [--from N] [--threads N]`: many runs; writes `target/reports/sim.json`
//! - `starling-sim --seed N [--trace] [--shrink]`: one run again, with every event
//! - `starling-sim --plan FILE [--trace]`: a plan that was kept as JSON
//! - `--plant NAME`: with a planted bug, to see that it is found
//! - `starling-sim --scale`: a thousand nodes, and what decisions cost there
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::{
    fs,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use starling_tests::sim::{
    plan::Plan, plant::Plant, report::Totals, run::run, scale, shrink::shrink,
};

#[derive(Default)]
struct Options {
    seeds: Option<u64>,
    from: u64,
    seed: Option<u64>,
    plan: Option<String>,
    threads: Option<usize>,
    plant: Option<Plant>,
    trace: bool,
    shrink: bool,
    scale: bool,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if options.scale {
        let report = scale::run(scale::Size::FULL);
        report.lines().iter().for_each(|line| println!("{line}"));
        write("sim-scale", &report.json());
        return ExitCode::SUCCESS;
    }
    match one(&options) {
        Ok(Some(plan)) => again(plan, &options),
        Ok(None) => many(&options),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match arg.as_str() {
            "--seeds" => options.seeds = Some(number(value()?)?),
            "--from" => options.from = number(value()?)?,
            "--seed" => options.seed = Some(number(value()?)?),
            "--threads" => options.threads = Some(number(value()?)? as usize),
            "--plan" => options.plan = Some(value()?),
            "--plant" => {
                let name = value()?;
                let names: Vec<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
                let unknown = || format!("no plant {name}: {}", names.join(", "));
                options.plant = Some(Plant::named(&name).ok_or_else(unknown)?);
            }
            "--trace" => options.trace = true,
            "--shrink" => options.shrink = true,
            "--scale" => options.scale = true,
            other => return Err(format!("{other} is no option; see the top of tests/sim/main.rs")),
        }
    }
    Ok(options)
}

/// The plan of a single run.
fn one(options: &Options) -> Result<Option<Plan>, String> {
    if let Some(file) = &options.plan {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let plan = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        return Ok(Some(plan));
    }
    Ok(options.seed.map(Plan::of))
}

fn again(mut plan: Plan, options: &Options) -> ExitCode {
    if options.shrink
        && let Some(violation) = run(plan.clone(), options.plant, None).violation
    {
        plan = shrink(&plan, options.plant, violation.invariant);
    }
    if options.shrink || options.trace {
        println!("{}", serde_json::to_string(&plan).unwrap_or_default());
    }
    let mut print = |line: String| println!("{line}");
    let trace: Option<&mut dyn FnMut(String)> = if options.trace { Some(&mut print) } else { None };
    let begun = Instant::now();
    let outcome = run(plan, options.plant, trace);
    let clean = outcome.is_clean();
    let mut totals = Totals::default();
    totals.add(outcome);
    totals.lines(begun.elapsed()).iter().for_each(|line| println!("{line}"));
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(options: &Options) -> ExitCode {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let (threads, seeds) = (options.threads.unwrap_or(cores), options.seeds.unwrap_or(300));
    let (begun, next) = (Instant::now(), AtomicU64::new(options.from));
    let work = || {
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= options.from + seeds {
                return totals;
            }
            totals.add(run(Plan::of(seed), options.plant, None));
        }
    };
    let totals = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|it| it.join().expect("a run does not panic"));
        done.fold(Totals::default(), Totals::and)
    });
    let took = begun.elapsed();
    totals.lines(took).iter().for_each(|line| println!("{line}"));
    write("sim", &totals.json(took));
    if let Some(outcome) = totals.red.iter().chain(&totals.void).next() {
        println!("see it again: starling-sim --seed {} --shrink --trace", outcome.seed);
    }
    if totals.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write(name: &str, report: &serde_json::Value) {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let folder = format!("{target}/reports");
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    if let Err(error) =
        fs::create_dir_all(&folder).and_then(|()| fs::write(format!("{folder}/{name}.json"), text))
    {
        eprintln!("{folder}/{name}.json was not written: {error}");
    }
}
