//! Where does a bus listen? The D-Bus specification, "Server Addresses".

use rustix::net::SocketAddrUnix;

/// The sockets of a list of addresses, in its order. Only those of this machine: `unix:` with a path or an
/// abstract name.
pub(super) fn sockets(addresses: &str) -> Vec<SocketAddrUnix> {
    addresses.split(';').filter_map(socket).collect()
}

fn socket(address: &str) -> Option<SocketAddrUnix> {
    let keys = address.strip_prefix("unix:")?;
    keys.split(',').find_map(|key| match key.split_once('=')? {
        ("path", path) => SocketAddrUnix::new(unescape(path)?).ok(),
        ("abstract", name) => SocketAddrUnix::new_abstract_name(&unescape(name)?).ok(),
        _ => None,
    })
}

/// `%2f` stands for a slash.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        plain.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_specification_writes_them() {
        let path = |path: &str| vec![SocketAddrUnix::new(path).unwrap()];
        for (address, want) in [
            ("unix:path=/run/dbus/system_bus_socket", path("/run/dbus/system_bus_socket")),
            ("unix:path=/run/user/1000/bus,guid=0123", path("/run/user/1000/bus")),
            ("unix:guid=0123,path=/a%20b%2Fc", path("/a b/c")),
            ("tcp:host=db1,port=1;unix:path=/x", path("/x")),
            ("unix:abstract=/tmp/dbus-x", vec![SocketAddrUnix::new_abstract_name(b"/tmp/dbus-x").unwrap()]),
            ("unix:path=/x;unix:path=/y", [path("/x"), path("/y")].concat()),
        ] {
            assert_eq!(sockets(address), want, "{address}");
        }
        for address in
            ["", "nonsense", "unix:", "unix:path", "unix:path=%2", "unix:path=%zz", "tcp:host=x,port=1"]
        {
            assert_eq!(sockets(address), [], "{address}");
        }
    }
}
