//! A test case for each scenario, by libtest-mimic, so that `cargo test` and nextest list them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::error::Error;
use super::report::Report;
use super::target::Target;
use crate::exit::Failure;
use crate::manifest::ScenarioEntry;
use crate::run::asked::Asked;
use crate::run::prepared::{Prepared, usual_at_once};
use crate::run::run_dir::{self, RunDir};
use crate::run::session::Session;

/// The `main` of a test program (`harness = false`) with a case for each scenario of the target's profile, called as the scenario is.
///
/// A case runs its scenario alone, and fails with its report unless the target conforms there. A clause that this scenario alone does
/// not reach fails it only if it reaches no other: whether anything does is told by [`Target::run`] of all. A case is ignored where
/// the target's declaration rules the scenario out, and all are where this machine does not have the target's program. The last run of
/// each is kept below `target/hotspec/trials`, or, with [`Target::run_dir`], in a directory of its own below that.
///
/// Call it first thing in `main`, before there is any thread: so an ordinary user's scenarios get networks of their own, for which the
/// process enters a user namespace. Cases are run as many at the same time as `hotspec run` does, unless `--test-threads` says
/// otherwise.
pub fn test_main(target: &Target) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(usual_at_once);
    let trials = target.asked().and_then(|asked| of(Asked { is_own: true, ..asked }, target));
    match trials {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(failure) => {
            let error = Error::from(failure);
            anstream::eprintln!("hotspec: {error}");
            ExitCode::from(error.status())
        }
    }
}

/// The cases of [`test_main`], for a `main` of one's own, which may tell the cases of several
/// targets apart ([`Trial::with_kind`]), add others, and hands all to [`libtest_mimic::run`]. Set [`test_threads`](Arguments::test_threads) there: most scenarios wait most of the time.
///
/// # Errors
/// What was said of the target can't be. That its program is missing is no error: then all cases are ignored.
pub fn trials(target: &Target) -> Result<Vec<Trial>, Error> {
    Ok(of(target.asked()?, target)?)
}

fn of(asked: Asked, target: &Target) -> Result<Vec<Trial>, Failure> {
    let prepared = Arc::new(Prepared::of(asked)?);
    let session = Arc::new(Session::shared());
    let base: Arc<Path> = match &target.options.run_dir {
        Some(dir) => dir.as_path().into(),
        None => run_dir::of_trials(&prepared.target().name).into(),
    };
    let trial = |entry: ScenarioEntry| {
        let why = prepared.missing().map(str::to_owned).or(entry.unsupported);
        if let Some(why) = why {
            let ignored = move || Ok(Completion::ignored_with(why));
            return Trial::ignorable_test(entry.name, ignored).with_ignored_flag(true);
        }
        let (prepared, session, base) = (Arc::clone(&prepared), Arc::clone(&session), Arc::clone(&base));
        let name = entry.name.clone();
        Trial::ignorable_test(entry.name, move || run(&prepared.only(&name), &session, &base.join(&name)))
    };
    Ok(prepared.scenarios().into_iter().map(trial).collect())
}

/// Runs what is prepared, in the place of the last run that is stored there.
fn run(prepared: &Prepared, session: &Session, dir: &Path) -> Result<Completion, Failed> {
    let report = RunDir::replace(dir).and_then(|dir| Report::of(prepared, session, dir));
    let report = report.map_err(Error::from)?;
    if !report.is_conformant_in_part() {
        let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        return Err(report.told(colour).into());
    }
    Ok(report.untested().map_or(Completion::Completed, Completion::ignored_with))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signal;

    #[test]
    fn cases_are_called_as_scenarios_are_and_those_that_the_target_rules_out_are_ignored() {
        let server = Target::command("server").args(["--listen", "{address}"]);
        let trials = trials(&server.scenarios(["in-flight-*"])).expect("cases");
        let ignored =
            |name: &str| trials.iter().find(|trial| trial.name() == name).expect("a case").has_ignored_flag();
        // It has no slow path, and any path may be asked for anything.
        assert!(ignored("in-flight-slow"));
        assert!(!ignored("in-flight-upload"));
    }

    #[test]
    fn without_the_targets_program_all_cases_are_ignored_and_a_run_says_what_is_missing() {
        // Such programs are not there where the tests are run by themselves.
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        let text = "start = ['no-such-server']\nrequires = ['no-such-server']\n[[restart]]\nsignal = 'HUP'\n";
        std::fs::write(file.path(), text).expect("it is written");
        let server = Target::file(file.path()).scenarios(["core"]);
        let trials = trials(&server).expect("cases");
        assert!(!trials.is_empty() && trials.iter().all(Trial::has_ignored_flag));
        let error = server.run().expect_err("no program");
        assert!(matches!(&error, Error::Missing(why) if why.contains("no-such-server not found")), "{error}");
    }

    #[test]
    fn what_can_not_be_is_told_by_its_kind() {
        let server = || Target::command("server").restart(Signal::SIGUSR2);
        let unknown = trials(&server().scenarios(["no-such-scenario"])).expect_err("no such scenario");
        assert!(matches!(&unknown, Error::Usage(why) if why.contains("`no-such-scenario`")), "{unknown}");
        let file = trials(&Target::file("/no/such.toml")).expect_err("no such file");
        assert!(matches!(&file, Error::BadFile(why) if why.contains("/no/such.toml")), "{file}");
        let words = trials(&Target::named("nginx").arg("-q")).expect_err("no command");
        assert!(
            matches!(&words, Error::Usage(why) if why.contains("arguments of a command only")),
            "{words}"
        );
        let nothing = server().scenarios(["load"]).exclude(["load"]);
        let nothing = trials(&nothing).expect_err("nothing left");
        assert!(matches!(nothing, Error::NothingSelected(_)), "{nothing}");
        let long = server().idle_max(std::time::Duration::from_secs(100_000));
        let long = trials(&long).expect_err("longer than a day");
        assert!(matches!(&long, Error::Usage(why) if why.contains("--idle-max")), "{long}");
    }
}
