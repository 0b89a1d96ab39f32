//! What turns a socket into the stream that the driver uses: encrypted or as it is, and watched.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::postgres::Socket;
use ::postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Watched;

/// Encrypts nothing. The driver asks it for a stream only with direct negotiation, without which it would ask the server for TLS
/// first.
#[derive(Clone)]
pub(super) struct Plain;

impl MakeTlsConnect<Socket> for Plain {
    type Stream = Watched<PlainStream>;
    type TlsConnect = Plain;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Plain> {
        Ok(Plain)
    }
}

impl TlsConnect<Socket> for Plain {
    type Stream = Watched<PlainStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Stream>>;

    fn connect(self, socket: Socket) -> Self::Future {
        ready(Ok(Watched::new(PlainStream(socket))))
    }
}

/// The socket, which to the driver is a stream with TLS that binds no channel.
pub(super) struct PlainStream(Socket);

impl AsyncRead for PlainStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl TlsStream for PlainStream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[cfg(feature = "tls")]
pub(super) use encrypted::Encrypted;

#[cfg(feature = "tls")]
mod encrypted {
    use std::error::Error as StdError;
    use std::future::Future;

    use tokio_postgres_rustls::MakeRustlsConnect;

    use super::*;
    use crate::tls::Encryption;

    type Rustls = MakeRustlsConnect;
    type RustlsStream = <Rustls as MakeTlsConnect<Socket>>::Stream;
    type RustlsConnect = <Rustls as MakeTlsConnect<Socket>>::TlsConnect;

    /// Reads the certificate files anew for each connection.
    #[derive(Clone)]
    pub(in super::super) struct Encrypted {
        encryption: Encryption,
    }

    impl Encrypted {
        pub(in super::super) fn new(encryption: Encryption) -> Self {
            Encrypted { encryption }
        }
    }

    impl MakeTlsConnect<Socket> for Encrypted {
        type Stream = Watched<RustlsStream>;
        type TlsConnect = Encrypting;
        type Error = Box<dyn StdError + Send + Sync>;

        fn make_tls_connect(&mut self, host: &str) -> Result<Encrypting, Self::Error> {
            let mut rustls = MakeRustlsConnect::new(self.encryption.client_config()?);
            let connect = MakeTlsConnect::<Socket>::make_tls_connect(&mut rustls, host)?;
            Ok(Encrypting(connect))
        }
    }

    pub(in super::super) struct Encrypting(RustlsConnect);

    impl TlsConnect<Socket> for Encrypting {
        type Stream = Watched<RustlsStream>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

        fn connect(self, socket: Socket) -> Self::Future {
            Box::pin(async { Ok(Watched::new(self.0.connect(socket).await?)) })
        }
    }
}
