//! Scheduling small jobs: one connection a command, each answered when it is durable.

use super::Bench;
use crate::bare::responder::Responder;
use crate::bare::sync::sync_rate;
use crate::crowd::{Conversation, converse};
use crate::failure::{Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::seed::seed_jobs;
use crate::site::Server;
use crate::statistics::{median, rate, time};
use crate::table::{Line, per_second};
use builder_proto::command::Command;
use std::net::SocketAddr;
use std::time::Duration;

/// Clients that are connected at the same time.
const CROWD: usize = 64;
const SYNC_TIME: Duration = Duration::from_millis(300);
/// What the server is to reach of the bare responder's rate.
const SHARE: f64 = 0.8;

pub(crate) fn measure_alone(bench: &Bench) -> Outcome<Vec<Line>> {
    let hello = messages::client_hello()?;
    let line = compare(bench, bench.pick(1500, 200), |address, commands| {
        for command in commands {
            let mut peer = Peer::connect(address)?;
            peer.send(&hello)?;
            messages::expect(peer.receive()?, &Command::ServerHello)?;
            peer.send(&command)?;
            messages::expect(peer.receive()?, &Command::Success)?;
            peer.finish()?;
        }
        Ok(())
    })?;
    Ok(vec![Line { work: "schedule, 1 client at a time".to_owned(), ..line }])
}

pub(crate) fn measure_crowd(bench: &Bench) -> Outcome<Vec<Line>> {
    let line =
        compare(bench, bench.pick(8000, 1000), |address, commands| crowd(address, commands).map(|_| ()))?;
    Ok(vec![Line { work: format!("schedule, {CROWD} clients at once"), ..line }])
}

/// The cost of scheduling when many jobs are scheduled already.
pub(crate) fn measure_many(bench: &Bench) -> Outcome<Vec<Line>> {
    let [few, many] = [100, bench.pick(100_000, 10_000)];
    let (count, rounds) = (bench.pick(2000, 500), bench.pick(7, 3));
    let mut sites = Vec::new();
    for jobs in [few, many] {
        let site = bench.site()?;
        seed_jobs(&site, jobs, "true", true)?;
        let server = site.start()?;
        sites.push((site, server));
    }
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let mut round = Vec::new();
        for (_, server) in &sites {
            let (_, time) = time(|| crowd(server.address(), schedules(0, count)?))?;
            round.push(rate(count, time));
            // So that there are as many as before.
            crowd(server.address(), unschedules(count)?)?;
        }
        rates.push(<[f64; 2]>::try_from(round).map_err(|_| Failure::new("two servers were to be measured"))?);
    }
    let peak = sites.last().and_then(|(_, server)| server.process().peak_memory());
    let costs = |place: fn(&[f64; 2]) -> f64| 1e6 / median(rates.iter().map(place));
    let (with_few, with_many) = (costs(|[few, _]| *few), costs(|[_, many]| *many));
    let ratio = median(rates.iter().map(|[few, many]| few / many));
    Ok(vec![Line {
        work: format!("the same at {many} scheduled jobs"),
        reach: format!("≤ 1.2 × the cost at {few}"),
        measured: format!("{with_many:.0} µs a command"),
        beside: format!("{with_few:.0} µs at {few} jobs"),
        ratio: Some(ratio),
        peak,
        is_reached: ratio <= 1.2,
    }])
}

/// Has a bare responder and a server answer the same commands by turns.
fn compare(
    bench: &Bench,
    count: usize,
    talk: impl Fn(SocketAddr, Vec<Vec<u8>>) -> Outcome<()>,
) -> Outcome<Line> {
    let site = bench.site()?;
    let server: Server = site.start()?;
    let responder = Responder::start(&site.path("responder.log"))?;
    let mut rounds = Vec::new();
    for round in 0..bench.pick(7, 3) {
        let synced = sync_rate(&site.path("synced"), SYNC_TIME)?;
        let commands = schedules(round * count, count)?;
        let (_, bare) = time(|| talk(responder.address(), commands.clone()))?;
        let (_, served) = time(|| talk(server.address(), commands))?;
        rounds.push((synced, rate(count, bare), rate(count, served)));
    }
    let synced = median(rounds.iter().map(|(synced, ..)| *synced));
    let bare = median(rounds.iter().map(|(_, bare, _)| *bare));
    let served = median(rounds.iter().map(|(.., served)| *served));
    let ratio = median(rounds.iter().map(|(_, bare, served)| served / bare));
    Ok(Line {
        reach: format!("≥ {SHARE} × bare responder"),
        measured: per_second(served),
        beside: format!(
            "bare responder {} ({:.2} × the bare fdatasync rate of {})",
            per_second(bare),
            bare / synced,
            per_second(synced)
        ),
        ratio: Some(ratio),
        peak: server.process().peak_memory(),
        is_reached: ratio >= SHARE,
        ..Line::default()
    })
}

/// Commands that schedule jobs of different names.
pub(crate) fn schedules(first: usize, count: usize) -> Outcome<Vec<Vec<u8>>> {
    (first..first + count).map(|number| messages::schedule(&format!("job-{number}"))).collect()
}

fn unschedules(count: usize) -> Outcome<Vec<Vec<u8>>> {
    (0..count).map(|number| messages::frame(&Command::Unschedule(format!("job-{number}").into()))).collect()
}

/// Has many clients give the commands; gives the time that each one took.
fn crowd(address: SocketAddr, commands: Vec<Vec<u8>>) -> Outcome<Vec<Duration>> {
    let hello = messages::client_hello()?;
    converse(address, CROWD, commands.into_iter().map(|command| ClientTalk::new(&hello, command)))
}

/// A client that gives one command and expects success.
pub(crate) struct ClientTalk<'a> {
    hello: &'a [u8],
    /// Until it has been sent.
    command: Option<Vec<u8>>,
    is_over: bool,
}

impl<'a> ClientTalk<'a> {
    pub(crate) fn new(hello: &'a [u8], command: Vec<u8>) -> ClientTalk<'a> {
        ClientTalk { hello, command: Some(command), is_over: false }
    }
}

impl Conversation for ClientTalk<'_> {
    fn opening(&self) -> &[u8] {
        self.hello
    }

    fn answer(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Outcome<()> {
        match self.command.take() {
            Some(command) => {
                messages::expect(payload, &Command::ServerHello)?;
                reply.extend_from_slice(&command);
            }
            None => {
                messages::expect(payload, &Command::Success)?;
                self.is_over = true;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
