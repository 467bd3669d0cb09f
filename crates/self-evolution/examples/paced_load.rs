//! Usage at a steady rate, one event a request, and how long the answers take.
//!
//! Requests are sent when they are due, however late the answers before them are, and each answer is timed from the
//! moment in which its request was due: a server that stalls is charged for everything that should have been asked
//! meanwhile (coordinated omission). One thread serves all connections and looks at them every [`TICK`], because it shares
//! the machine with the server: a thread a connection took a third of two cores at 25,000 requests a second, and then
//! measured how slowly the rest caught up. `paced_load PORT REQUESTS_A_SECOND SECONDS [CONNECTIONS]`

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use shared::clock::{Clock, Timestamp};

/// Longest head and body of an answer to one event, in bytes.
const ANSWER: usize = 4 * 1_024;
/// Pause between two looks at all connections; what is measured may be later by this.
const TICK: Duration = Duration::from_micros(200);

/// One connection's part of the load.
struct Load {
    stream: TcpStream,
    first: Timestamp,
    interval: Duration,
    requests: u32,
    number: u32,
    sent: u32,
    /// When the request that waits for its answer was due.
    waiting: Option<Timestamp>,
    answer: Vec<u8>,
    /// How long each answer took, in microseconds.
    times: Vec<u64>,
}

impl Load {
    /// Takes the answer if it has come, then sends the next request if it is due.
    fn step(&mut self, clock: &Clock) -> io::Result<()> {
        if let Some(due) = self.waiting {
            if !read_answer(&mut self.stream, &mut self.answer)? {
                return Ok(());
            }
            self.times.push(u64::try_from(clock.now().since(due).as_micros()).unwrap_or(u64::MAX));
            self.answer.clear();
            self.waiting = None;
        }
        let due = self.first + self.interval * self.sent;
        if self.sent < self.requests && due <= clock.now() {
            self.stream.write_all(request(self.number * self.requests + self.sent).as_bytes())?;
            self.waiting = Some(due);
            self.sent += 1;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.sent == self.requests && self.waiting.is_none()
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

/// Reads what has come; whether the body that the head announces is complete. Anything but 200 is an error.
fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; ANSWER];
    let read = match stream.read(&mut bytes) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    };
    answer.extend_from_slice(&bytes[..read]);
    let text = String::from_utf8_lossy(answer);
    if read == 0 || answer.len() > ANSWER || !"HTTP/1.1 200".starts_with(&text[..text.len().min(12)]) {
        return Err(io::Error::other(format!("no 200: {text}")));
    }
    Ok(text.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= content_length(head)))
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines();
    let length =
        lines.find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.unwrap_or(usize::MAX)
}

/// Opens all connections; their requests are due in turn.
fn connect(port: u16, rate: u32, seconds: u32, connections: u32, begin: Timestamp) -> io::Result<Vec<Load>> {
    let interval = Duration::from_secs(1) * connections / rate;
    let requests = rate * seconds / connections;
    let load = |number| {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Load {
            stream,
            first: begin + interval * number / connections,
            interval,
            requests,
            number,
            sent: 0,
            waiting: None,
            answer: Vec::new(),
            times: Vec::with_capacity(requests as usize),
        })
    };
    (0..connections).map(load).collect()
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
    let clock = Clock::starting_after(Timestamp::default());
    let begin = clock.now() + Duration::from_millis(200);
    let mut loads = connect(u16::try_from(port)?, rate, seconds, connections, begin)?;
    while !loads.iter().all(Load::is_over) {
        for load in &mut loads {
            load.step(&clock)?;
        }
        thread::sleep(TICK);
    }
    let took = clock.now().since(begin).as_secs_f64();
    let mut times: Vec<u64> = loads.into_iter().flat_map(|load| load.times).collect();
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
