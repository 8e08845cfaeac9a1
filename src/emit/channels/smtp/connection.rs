//! How does a connection to a server come about, private where it must be?

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;

#[expect(deprecated, reason = "the one door to TLS from the first byte over a connection of our own")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use rustix::io::Errno;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Duration, timeout};

use super::fault::{Fault, Stage};
use super::stream::{LineByLine, Private};
use super::{Privacy, Smtp};
use crate::plain::plain;

/// An address that does not answer for so long leaves some time for the next.
const ONE_ADDRESS: Duration = Duration::from_secs(10);

impl Smtp {
    /// A connection on which the server has answered EHLO: under TLS wherever it leaves this host.
    pub(super) async fn connect(&self, stage: &Cell<Stage>) -> Result<AsyncSmtpConnection, Fault> {
        let tcp = LineByLine::new(self.reach().await?);
        match self.url.privacy {
            Privacy::Loopback => {
                stage.set(Stage::Greeting);
                let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &self.hello);
                greeted.await.map_err(Fault::Smtp)
            }
            Privacy::StartTls => {
                stage.set(Stage::Greeting);
                let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &self.hello);
                let mut connection = greeted.await.map_err(Fault::Smtp)?;
                if !connection.can_starttls() {
                    return Err(Fault::NoStartTls);
                }
                stage.set(Stage::Tls);
                connection.starttls(self.tls()?, &self.hello).await.map_err(Fault::Tls)?;
                // Nothing is said in clear, whatever the library makes of an odd server.
                if connection.is_encrypted() { Ok(connection) } else { Err(Fault::NoStartTls) }
            }
            Privacy::Tls => {
                stage.set(Stage::Tls);
                let private = self.under_tls(tcp).await?;
                stage.set(Stage::Greeting);
                let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(private), &self.hello);
                greeted.await.map_err(Fault::Smtp)
            }
        }
    }

    #[expect(deprecated, reason = "as above")]
    async fn under_tls(&self, tcp: LineByLine) -> Result<Private, Fault> {
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(tcp));
        stream.upgrade_tls(self.tls()?).await.map_err(Fault::Tls)?;
        if stream.is_encrypted() { Ok(Private(stream)) } else { Err(Fault::NoStartTls) }
    }

    fn tls(&self) -> Result<TlsParameters, Fault> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let tls = TlsParameters::new(self.url.host.clone()).map_err(Fault::NoTrust)?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }

    async fn reach(&self) -> Result<TcpStream, Fault> {
        let mut refused = vec![];
        let mut last = None;
        for address in self.addresses().await? {
            match timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    refused.push(is_nobody(&error));
                    last.get_or_insert(plain(&error));
                }
                Err(_) => {
                    refused.push(false);
                    last.get_or_insert(format!("no answer within {} s", ONE_ADDRESS.as_secs()));
                }
            }
        }
        match last {
            Some(why) if refused.into_iter().all(|refused| refused) => Err(Fault::NobodyListens(why)),
            Some(why) => Err(Fault::Unreached(why)),
            None => Err(Fault::Unreached("it has no address".to_owned())),
        }
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Fault> {
        let known = self.url.known_addresses();
        if !known.is_empty() {
            return Ok(known.into_iter().map(|ip| SocketAddr::new(ip, self.url.port)).collect());
        }
        let found = lookup_host((self.url.host.as_str(), self.url.port)).await;
        Ok(found.map_err(|error| Fault::Unresolved(plain(&error)))?.collect())
    }
}

/// Nobody listens there, or this host has no such address: `::1` where there is no `IPv6`, or a unit may not use it.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable)
        || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}
