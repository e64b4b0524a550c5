//! A proxy on cloudflare/pingora, as its quick start shows: `-u` takes the listening sockets over from the process that was sent
//! SIGQUIT. The marker and the origin are in a file beside the configuration.

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::prelude::*;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};

struct Proxy {
    origin: String,
    marker: String,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _: &mut ()) -> Result<()> {
        // Seconds for which a connection is kept idle.
        session.set_keepalive(Some(15));
        Ok(())
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin.as_str(), false, String::new())))
    }

    async fn response_filter(&self, _: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        response.insert_header("X-Marker", self.marker.as_str())
    }
}

fn main() {
    let settings = std::env::var("HOTSPEC_PINGORA").expect("HOTSPEC_PINGORA names a file");
    let text = std::fs::read_to_string(&settings).expect("the file can be read");
    let words: Vec<&str> = text.split_whitespace().collect();
    let [listen, origin, marker] = words[..] else {
        panic!("expected an address, an origin and a marker in {settings}, found {text:?}");
    };
    let mut server = Server::new(Some(Opt::parse_args())).expect("the configuration is valid");
    server.bootstrap();
    let proxy = Proxy { origin: origin.to_owned(), marker: marker.to_owned() };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
