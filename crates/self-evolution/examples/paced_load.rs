//! Usage at a steady rate, one event a request, and how long the answers take.
//!
//! Requests are sent when they are due, however late the answers before them are, and each answer is timed from the
//! moment in which its request was due: a server that stalls is charged for everything that should have been asked
//! meanwhile (coordinated omission). `paced_load PORT REQUESTS_A_SECOND SECONDS [CONNECTIONS]`

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use shared::clock::{Clock, Timestamp};

/// Longest head and body of an answer to one event, in bytes.
const ANSWER: usize = 4 * 1_024;

/// One connection's part of the load.
struct Load {
    port: u16,
    clock: Arc<Clock>,
    first: Timestamp,
    interval: Duration,
    requests: u32,
    number: u32,
}

impl Load {
    /// Sends all requests; gives how long each answer took, in microseconds.
    fn run(&self) -> io::Result<Vec<u64>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        let mut times = Vec::with_capacity(self.requests as usize);
        for sent in 0..self.requests {
            let due = self.first + self.interval * sent;
            thread::sleep(due.since(self.clock.now()));
            stream.write_all(request(self.number * self.requests + sent).as_bytes())?;
            read_answer(&mut stream)?;
            times.push(u64::try_from(self.clock.now().since(due).as_micros()).unwrap_or(u64::MAX));
        }
        Ok(times)
    }
}

fn request(number: u32) -> String {
    let (service, path, millis) = (number % 20, number, number % 997);
    let body = format!(
        r#"{{"service":"service-{service}","endpoint":"/users/{path}/orders","response_time":0.{millis:03},"status_code":200}}"#
    );
    let length = body.len();
    format!(
        "POST /collect-usage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Reads until the end of the body that the head announces. Anything but 200 is an error.
fn read_answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut bytes = [0; ANSWER];
    let mut length = 0;
    loop {
        let read = stream.read(&mut bytes[length..])?;
        length += read;
        let text = String::from_utf8_lossy(&bytes[..length]);
        if read == 0 || !"HTTP/1.1 200".starts_with(&text[..text.len().min(12)]) {
            return Err(io::Error::other(format!("no 200: {text}")));
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return Ok(());
        }
    }
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines();
    let length =
        lines.find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.unwrap_or(usize::MAX)
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<u32> =
        std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<_, _>>()?;
    let (port, rate, seconds, connections) = match arguments[..] {
        [port, rate, seconds] => (port, rate, seconds, 64),
        [port, rate, seconds, connections] => (port, rate, seconds, connections),
        _ => return Err("paced_load PORT REQUESTS_A_SECOND SECONDS [CONNECTIONS]".into()),
    };
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let begin = clock.now() + Duration::from_millis(200);
    let interval = Duration::from_secs(1) * connections / rate;
    let started: Vec<_> = (0..connections)
        .map(|number| {
            let first = begin + interval * number / connections;
            let requests = rate * seconds / connections;
            let load = Load {
                port: u16::try_from(port)?,
                clock: Arc::clone(&clock),
                first,
                interval,
                requests,
                number,
            };
            Ok(thread::spawn(move || load.run()))
        })
        .collect::<Result<_, std::num::TryFromIntError>>()?;
    let mut times = Vec::new();
    for thread in started {
        times.extend(thread.join().map_err(|_| "a thread broke")??);
    }
    let took = clock.now().since(begin).as_secs_f64();
    times.sort_unstable();
    let quantile = |part: f64| times[((times.len() - 1) as f64 * part) as usize] as f64 / 1e3;
    println!(
        "{:.0} requests/s; p50 {:.2} ms; p90 {:.2} ms; p99 {:.2} ms; p99.9 {:.2} ms; most {:.2} ms",
        times.len() as f64 / took,
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0),
    );
    Ok(())
}
