//! What may a server make us read, and when?

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead as _, AsyncWrite as _};
#[expect(deprecated, reason = "the one door to TLS from the first byte over a connection of our own")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of a whole conversation. A server says some hundred; lettre would hold a line of any length.
const MOST: usize = 1024 * 1024;

/// A connection that hands over one line at a time, and not without end.
///
/// What somebody on the way puts behind the answer to STARTTLS is so never taken for an answer under TLS:
/// it is still here when TLS begins, and fails as TLS.
#[derive(Debug)]
pub(super) struct LineByLine {
    tcp: TcpStream,
    held: Vec<u8>,
    at: usize,
    left: usize,
}

impl LineByLine {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, held: vec![], at: 0, left: MOST }
    }
}

impl AsyncRead for LineByLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at == this.held.len() {
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut read))?;
            let left = this.left.checked_sub(read.filled().len());
            this.left = left.ok_or_else(|| io::Error::other("the server does not stop talking"))?;
            this.held.clear();
            this.held.extend_from_slice(read.filled());
            this.at = 0;
        }
        let rest = this.held.get(this.at..).unwrap_or_default();
        let line = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        let part = rest.get(..line.min(buf.remaining())).unwrap_or_default();
        buf.put_slice(part);
        this.at += part.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

/// A stream of lettre's, under TLS already, as one of tokio's.
#[derive(Debug)]
#[expect(deprecated, reason = "as above")]
pub(super) struct Private(pub AsyncNetworkStream);

impl AsyncRead for Private {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.0).poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Private {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl AsyncTokioStream for Private {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}
