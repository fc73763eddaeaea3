//! Accepting connections within bounds: of time, of threads, and never at the cost of the next client.
//!
//! Each connection has its thread and one deadline for everything. When all places are taken, the *oldest* connection is
//! closed: an honest client is done in milliseconds, so the oldest is the one that dawdles, and a hundred idle
//! connections do not keep a scrape out.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A byte stream that can be given a time limit and closed from another thread.
pub trait Stream: Read + Write + Send + Sized + 'static {
    /// Limits each read and write from now on.
    fn limit(&self, time: Duration) -> io::Result<()>;
    /// A second handle of the same stream.
    fn handle(&self) -> io::Result<Self>;
    /// Ends the given directions; a blocked read or write returns.
    fn close(&self, how: Shutdown);
}

macro_rules! stream {
    ($stream:ty) => {
        impl Stream for $stream {
            fn limit(&self, time: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(time))?;
                self.set_write_timeout(Some(time))
            }

            fn handle(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn close(&self, how: Shutdown) {
                // It may be closed already, which is as good.
                let _ = self.shutdown(how);
            }
        }
    };
}

stream!(TcpStream);
stream!(UnixStream);

/// Where streams come from.
pub trait Listener: Send + 'static {
    /// What is accepted.
    type Stream: Stream;
    /// Waits for the next connection.
    fn next(&self) -> io::Result<Self::Stream>;
    /// What makes a blocked [`Self::next`] return.
    fn waker(&self) -> io::Result<Waker>;
}

/// Wakes a listener by connecting to it.
#[derive(Clone, Debug)]
pub enum Waker {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Waker {
    fn wake(&self) {
        // If nobody listens any more, there is nobody to wake.
        let _ = match self {
            Self::Tcp(address) => TcpStream::connect_timeout(address, Duration::from_millis(200)).map(drop),
            Self::Unix(path) => UnixStream::connect(path).map(drop),
        };
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn next(&self) -> io::Result<TcpStream> {
        self.accept().map(|(stream, _)| stream)
    }

    fn waker(&self) -> io::Result<Waker> {
        self.local_addr().map(Waker::Tcp)
    }
}

impl Listener for (UnixListener, PathBuf) {
    type Stream = UnixStream;

    fn next(&self) -> io::Result<UnixStream> {
        self.0.accept().map(|(stream, _)| stream)
    }

    fn waker(&self) -> io::Result<Waker> {
        Ok(Waker::Unix(self.1.clone()))
    }
}

/// A stream with one deadline for all of its reads and writes: a client that sends a byte a second gains nothing.
#[derive(Debug)]
pub struct Timed<S> {
    stream: S,
    until: Instant,
}

impl<S: Stream> Timed<S> {
    /// `stream`, for `time` from now.
    pub fn new(stream: S, time: Duration) -> Self {
        Self {
            stream,
            until: Instant::now() + time,
        }
    }

    /// Moves the deadline to `time` from now.
    pub fn extend(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    /// Ends the given directions.
    pub fn close(&self, how: Shutdown) {
        self.stream.close(how);
    }

    fn arm(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        // A limit of zero would mean none.
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            self.stream.limit(left)
        }
    }
}

impl<S: Stream> Read for Timed<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        self.stream.read(into)
    }
}

impl<S: Stream> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The connections that are open, oldest first.
#[derive(Debug)]
struct Open<S> {
    streams: Mutex<BTreeMap<u64, S>>,
}

impl<S> Open<S> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, S>> {
        // The map is whole whatever its last holder did, so a panic there is no reason to stop serving.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection off the list when its thread ends, by a panic too.
struct Place<S> {
    open: Arc<Open<S>>,
    number: u64,
    /// Counts threads: one reference each.
    _thread: Arc<()>,
}

impl<S> Drop for Place<S> {
    fn drop(&mut self) {
        self.open.lock().remove(&self.number);
    }
}

/// A listener being served; dropping it ends the service.
#[derive(Debug)]
pub struct Service {
    stop: Arc<AtomicBool>,
    waker: Waker,
    ended: Receiver<()>,
}

/// Serves a listener from a thread of its own, at most `most` connections at a time.
pub fn serve<L, H>(listener: L, most: usize, handle: H) -> io::Result<Service>
where
    L: Listener,
    H: Fn(L::Stream) + Send + Sync + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let waker = listener.waker()?;
    let (alive, ended) = mpsc::channel();
    let stopped = Arc::clone(&stop);
    thread::Builder::new().name("accept".into()).spawn(move || {
        // Dropped when this thread ends, however it ends.
        let _alive: mpsc::Sender<()> = alive;
        accept(&listener, most, &Arc::new(handle), &stopped);
    })?;
    Ok(Service { stop, waker, ended })
}

fn accept<L, H>(listener: &L, most: usize, handle: &Arc<H>, stop: &AtomicBool)
where
    L: Listener,
    H: Fn(L::Stream) + Send + Sync + 'static,
{
    let open = Arc::new(Open {
        streams: Mutex::new(BTreeMap::<u64, L::Stream>::new()),
    });
    let threads = Arc::new(());
    for number in 0.. {
        let accepted = listener.next();
        // Relaxed: the connection that woke us is the synchronisation.
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(stream) = accepted else {
            // Out of file descriptors, most likely: let some connections end.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        // Threads of closed connections end at once, unless they wait for the profiler: then this one would, too.
        if !fewer_than(2 * most, &threads, Duration::from_secs(1)) {
            continue;
        }
        if let Ok(second) = stream.handle() {
            let mut streams = open.lock();
            if streams.len() >= most
                && let Some((_, oldest)) = streams.pop_first()
            {
                oldest.close(Shutdown::Both);
            }
            streams.insert(number, second);
        }
        let place = Place {
            open: Arc::clone(&open),
            number,
            _thread: Arc::clone(&threads),
        };
        let handle = Arc::clone(handle);
        // If no thread can be had, the closure and with it the connection are dropped.
        let _ = thread::Builder::new().name("connection".into()).spawn(move || {
            let _place = place;
            handle(stream);
        });
    }
    for stream in open.lock().values() {
        stream.close(Shutdown::Read);
    }
    // An answer under way may still get out.
    fewer_than(1, &threads, Duration::from_millis(200));
}

/// Waits until fewer than `most` threads run; false if that takes too long.
fn fewer_than(most: usize, threads: &Arc<()>, time: Duration) -> bool {
    let until = Instant::now() + time;
    // One reference is the accepting thread's own.
    while Arc::strong_count(threads) > most {
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        // Not for ever: someone else may have taken the socket's place, and been woken instead.
        let _ = self.ended.recv_timeout(Duration::from_secs(2));
    }
}
