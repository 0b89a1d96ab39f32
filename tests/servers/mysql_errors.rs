//! What the errors of MySQL and MariaDB mean, code by code. No server is asked.

use std::io;

use ::mysql::{DriverError, Error as MyError, MySqlError};
use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::{Driver, ErrorClass, Extent};

fn refusal(code: u16, message: &str) -> MyError {
    MyError::MySqlError(MySqlError {
        state: "HY000".to_owned(),
        message: message.to_owned(),
        code,
    })
}

fn class(error: &MyError) -> ErrorClass {
    Driver::<MySqlManager>::classify(&MySqlDriver::new(), error)
}

fn extent(error: &MyError) -> Extent {
    Driver::<MySqlManager>::extent(&MySqlDriver::new(), error)
}

#[test]
fn one_session_that_the_server_ends_says_nothing_of_the_others() {
    for (code, reaches) in [
        (1927, Extent::Session),
        (3169, Extent::Session),
        (4031, Extent::Session),
        (1152, Extent::Session),
        (1158, Extent::Session),
        (1053, Extent::Server),
        (2006, Extent::Server),
        (2013, Extent::Server),
        (1080, Extent::Unclear),
    ] {
        let error = refusal(code, "");
        assert_eq!(
            (class(&error), extent(&error)),
            (ErrorClass::Lost, reaches),
            "{code}"
        );
    }
}

#[test]
fn a_galera_node_that_is_alone_can_be_left_for_another() {
    for (code, message) in [
        (1047, "WSREP has not yet prepared node for application use"),
        (
            1180,
            "Error while appending streaming replication fragment(provider status: Not connected to Primary Component)",
        ),
    ] {
        assert_eq!(class(&refusal(code, message)), ErrorClass::Transient);
    }
}

#[test]
fn what_the_server_does_to_a_statement_leaves_the_connection_good() {
    // Timeouts, cancels, deadlocks, an option of another kind, a read-only transaction.
    for code in [3024, 1969, 1317, 1205, 1213, 1064, 1146, 1290, 1792] {
        assert_eq!(class(&refusal(code, "")), ErrorClass::Statement, "{code}");
    }
    let other = "running with the --secure-file-priv option";
    assert_eq!(class(&refusal(1290, other)), ErrorClass::Statement);
    for option in [
        "--read-only",
        "--super-read-only",
        "--innodb-read-only",
        "read_only",
    ] {
        let message = format!("running with the {option} option");
        assert_eq!(
            class(&refusal(1290, &message)),
            ErrorClass::Unsuited,
            "{option}"
        );
    }
    assert_eq!(
        class(&refusal(1836, "Running in read-only mode")),
        ErrorClass::Unsuited
    );
}

#[test]
fn an_answer_the_driver_did_not_wait_for_is_owed_and_a_socket_that_failed_is_lost() {
    let io = |kind: io::ErrorKind| MyError::IoError(kind.into());
    for owed in [
        io(io::ErrorKind::WouldBlock),
        io(io::ErrorKind::TimedOut),
        io(io::ErrorKind::InvalidData),
        MyError::DriverError(DriverError::Timeout),
        MyError::DriverError(DriverError::PacketTooLarge),
        MyError::DriverError(DriverError::PacketOutOfSync),
        MyError::DriverError(DriverError::UnexpectedPacket),
    ] {
        assert_eq!(class(&owed), ErrorClass::Owed, "{owed:?}");
    }
    let by_the_kernel =
        |errno: nix::errno::Errno| MyError::IoError(io::Error::from_raw_os_error(errno as i32));
    for (lost, reaches) in [
        (io(io::ErrorKind::BrokenPipe), Extent::Server),
        (io(io::ErrorKind::ConnectionReset), Extent::Server),
        // Its keepalives were not answered: either the server is gone, or the network path to it.
        (by_the_kernel(nix::errno::Errno::ETIMEDOUT), Extent::Unclear),
        (
            by_the_kernel(nix::errno::Errno::EHOSTUNREACH),
            Extent::Unclear,
        ),
    ] {
        assert_eq!(
            (class(&lost), extent(&lost)),
            (ErrorClass::Lost, reaches),
            "{lost:?}"
        );
    }
}

#[test]
fn a_query_is_wrong_in_itself_for_its_syntax_its_objects_and_its_users_rights() {
    let refuses =
        |error: &MyError| Driver::<MySqlManager>::refuses_query(&MySqlDriver::new(), error);
    for code in [
        1064, 1065, 1146, 1054, 1305, 1046, 1049, 1044, 1142, 1143, 1370, 1227, 1193, 1128, 1582,
    ] {
        assert!(refuses(&refusal(code, "")), "{code}");
    }
    // These are temporary, or what the query is meant to find out.
    for code in [1205, 1213, 1317, 1290, 1792, 1836, 1053, 1927, 1045] {
        assert!(!refuses(&refusal(code, "")), "{code}");
    }
}
