//! A server that remembers a great many builds: how it starts, what it holds, and how it answers while others work.

use super::Bench;
use super::console::{LineSource, finish};
use super::schedule::ClientTalk;
use super::start::start;
use crate::crowd::{Conversation, converse};
use crate::failure::{Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::seed::{name, seed_jobs};
use crate::seed_history::{newest_build, seed_history};
use crate::site::Server;
use crate::statistics::{median, quantile, time};
use crate::table::{Line, milliseconds};
use builder_proto::command::{Command, PeerType};
use builder_proto::history::HistoryQuery;
use builder_proto::text::Text;
use builder_proto::{HISTORY_VERSION, Uuid};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const JOBS: usize = 300;
/// Jobs that workers run meanwhile; clients ask about the others, whose newest builds stay the newest.
const BUSY_JOBS: usize = 100;
/// Lines of each build that runs meanwhile.
const LINES: u64 = 100;
/// Builds that a client asks for.
const LISTED: u64 = 50;
/// The most time for a start.
const START: Duration = Duration::from_millis(500);
/// The most time in which 99 of 100 questions are answered.
const LATENCY: Duration = Duration::from_millis(10);
/// The most memory that a build costs.
const BUILD_BYTES: f64 = 100.0;

/// What is asked about a job.
type Questions = fn(&Asked) -> Outcome<Vec<Vec<u8>>>;

/// A job that clients ask about.
struct Asked {
    job: String,
    newest: Uuid,
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let builds = bench.pick(100_000, 10_000);
    let rounds = bench.pick(3, 1);
    let site = bench.site()?;
    seed_history(&site, JOBS, builds)?;
    let empty = bench.site()?;
    seed_jobs(&empty, JOBS, "true", false)?;
    start(&empty)?.stop()?;
    let (mut times, mut costs, mut peak) = (Vec::new(), Vec::new(), None);
    for _ in 0..rounds {
        let without = start(&empty)?;
        let (with, time) = time(|| start(&site))?;
        let [held, base] = [&with, &without].map(|server| server.process().resident_memory());
        costs.push(held.zip(base).map(|(held, base)| (held as f64 - base as f64) / builds as f64));
        times.push(time.as_secs_f64());
        peak = peak.max(with.process().peak_memory());
        with.stop()?;
        without.stop()?;
    }
    let taken = median(times);
    let cost = costs.into_iter().collect::<Option<Vec<_>>>().map(median);
    let mut lines = vec![
        Line {
            work: format!("start over a history of {builds} builds of {JOBS} jobs"),
            reach: format!("≤ {} s", START.as_secs_f64()),
            measured: format!("{taken:.2} s to the first answer"),
            peak,
            is_reached: taken <= START.as_secs_f64(),
            ..Line::default()
        },
        Line {
            work: format!("memory for a history of {builds} builds"),
            reach: format!("≤ {BUILD_BYTES} bytes each"),
            measured: cost.map_or_else(|| "not measured".to_owned(), |cost| format!("{cost:.0} bytes each")),
            beside: "the same server without builds".to_owned(),
            peak,
            is_reached: cost.is_none_or(|cost| cost <= BUILD_BYTES),
            ..Line::default()
        },
    ];
    let server = start(&site)?;
    let asked: Vec<Asked> = (BUSY_JOBS..JOBS)
        .map(|job| Asked { job: name(job), newest: newest_build(job, JOBS, builds) })
        .collect();
    let kinds: [(&str, Questions); 4] = [
        ("`info` as 0.4.0 asks for it", ask_info),
        ("`info` with last results and reasons", ask_overview),
        ("`history JOB`, 50 builds of it", ask_history),
        ("`logs JOB`", ask_logs),
    ];
    for (work, questions) in kinds {
        lines.push(measure_latency(bench, &server, &asked, work, questions)?);
    }
    Ok(lines)
}

fn ask_info(_: &Asked) -> Outcome<Vec<Vec<u8>>> {
    Ok(vec![messages::frame(&Command::Info)?])
}

fn ask_overview(_: &Asked) -> Outcome<Vec<Vec<u8>>> {
    Ok(vec![messages::frame(&Command::Overview)?])
}

fn ask_history(asked: &Asked) -> Outcome<Vec<Vec<u8>>> {
    let query =
        HistoryQuery { job: Some(asked.job.as_str().into()), limit: Some(LISTED), ..HistoryQuery::default() };
    Ok(vec![messages::frame(&Command::History(query))?])
}

/// The client asks both, one after the other.
fn ask_logs(asked: &Asked) -> Outcome<Vec<Vec<u8>>> {
    [Command::Details(asked.newest), Command::Console(asked.newest)].iter().map(messages::frame).collect()
}

/// Those who work and ask meanwhile.
struct Others {
    workers: usize,
    clients: usize,
}

/// What was measured while others did so much.
struct Beside {
    times: Vec<Duration>,
    builds: usize,
    questions: usize,
}

/// A client that asks the same about one job after the other.
struct Asking<'a> {
    address: SocketAddr,
    hello: &'a [u8],
    questions: &'a [Vec<Vec<u8>>],
    /// How many questions are timed.
    count: usize,
}

impl Asking<'_> {
    fn talks(&self) -> impl Iterator<Item = Question<'_>> {
        self.questions.iter().flatten().cycle().map(|question| Question::new(self.hello, question))
    }

    /// How long each answer took.
    fn alone(&self) -> Outcome<Vec<Duration>> {
        converse(self.address, 1, self.talks().take(self.count))
    }

    /// The same while others work, and ask the same.
    fn beside(&self, others: &Others) -> Outcome<Beside> {
        let (stopped, executed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let idle = Mutex::new((0..BUSY_JOBS).map(|job| name(job).as_str().into()).collect());
        let is_on = || !stopped.load(Ordering::Relaxed);
        thread::scope(|scope| {
            let work = || {
                while is_on() {
                    run_build(self.address, &idle)?;
                    executed.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Failure>(())
            };
            let workers: Vec<_> = (0..others.workers).map(|_| scope.spawn(work)).collect();
            let ask = || converse(self.address, others.clients, self.talks().take_while(|_| is_on()));
            let clients = scope.spawn(ask);
            let times = self.alone();
            stopped.store(true, Ordering::Relaxed);
            let panicked = |_| Failure::new("one of the others panicked");
            let questions = clients.join().map_err(panicked)??.len();
            for worker in workers {
                worker.join().map_err(panicked)??;
            }
            Ok(Beside { times: times?, builds: executed.load(Ordering::Relaxed), questions })
        })
    }
}

/// Asks first alone, then while four others work and ask, then while eight do.
fn measure_latency(
    bench: &Bench,
    server: &Server,
    asked: &[Asked],
    work: &str,
    questions: Questions,
) -> Outcome<Line> {
    let hello = messages::frame(&Command::ClientHello { peer: PeerType::Client, version: HISTORY_VERSION })?;
    let questions = asked.iter().map(questions).collect::<Outcome<Vec<_>>>()?;
    let each = questions.first().map_or(1, Vec::len);
    let count = bench.pick(3000, 300) * each;
    let asking = Asking { address: server.address(), hello: &hello, questions: &questions, count };
    let alone = asking.alone()?;
    let four = asking.beside(&Others { workers: 2, clients: 2 })?;
    let eight = asking.beside(&Others { workers: 4, clients: 4 })?;
    let both = |times: &[Duration]| {
        let [middle, late] = [0.5, 0.99].map(|share| milliseconds(quantile(times, share)));
        format!("p50 {middle}, p99 {late}")
    };
    let told = |times: &[Duration]| match each {
        1 => both(times),
        _ => {
            let sums: Vec<Duration> = times.chunks(each).map(|times| times.iter().sum()).collect();
            format!("{} an answer, {} for all {each}", both(times), both(&sums))
        }
    };
    Ok(Line {
        work: format!("{work}, while 2 workers print and finish, and 2 clients ask the same"),
        reach: format!("p99 ≤ {} ms", LATENCY.as_millis()),
        measured: format!(
            "{} beside {} builds and {} questions of others",
            told(&four.times),
            four.builds,
            four.questions
        ),
        beside: format!(
            "while 4 workers and 4 clients do so {}; while nobody else does anything {}",
            told(&eight.times),
            told(&alone)
        ),
        peak: server.process().peak_memory(),
        is_reached: quantile(&four.times, 0.99) <= LATENCY,
        ..Line::default()
    })
}

/// Has an idle job run: it prints some lines and succeeds. The job that comes may be another one, which is idle then.
fn run_build(address: SocketAddr, idle: &Mutex<VecDeque<Text>>) -> Outcome<()> {
    let hello = messages::client_hello()?;
    let panicked = |_| Failure::new("one of the others panicked");
    let none_left = || Failure::new("there are more workers than jobs");
    let job = idle.lock().map_err(panicked)?.pop_front().ok_or_else(none_left)?;
    let execute = messages::frame(&Command::Execute { name: job, platform: None })?;
    converse(address, 1, [ClientTalk::new(&hello, execute)])?;
    let (worker, uuid, job) = Peer::worker_of(address)?;
    let mut stream = worker.into_stream()?;
    LineSource::new(uuid).send(&mut stream, LINES)?;
    finish(&mut stream, uuid)?;
    idle.lock().map_err(panicked)?.push_back(job);
    Ok(())
}

/// A client that asks, and takes whatever the answer is, up to its end.
struct Question<'a> {
    hello: &'a [u8],
    /// Until it is asked.
    question: Option<&'a [u8]>,
    is_over: bool,
}

impl<'a> Question<'a> {
    fn new(hello: &'a [u8], question: &'a [u8]) -> Question<'a> {
        Question { hello, question: Some(question), is_over: false }
    }
}

impl Conversation for Question<'_> {
    fn opening(&self) -> &[u8] {
        self.hello
    }

    fn answer(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Outcome<()> {
        match self.question.take() {
            Some(question) => {
                messages::expect(payload, &Command::ServerHello)?;
                reply.extend_from_slice(question);
                Ok(())
            }
            None => match Command::decode(payload).map_err(Failure::new)? {
                Command::Failure(reason) => {
                    Err(Failure::new(format_args!("the server refuses to answer: {reason}")))
                }
                // The whole answer to `info` is one message.
                Command::Success | Command::InfoReply(_) => {
                    self.is_over = true;
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
