//! Refuses servers and tables on which sessions would not be safe.

use sqlx::Row as _;
use sqlx::{AnyConnection, AnyPool};

/// First versions with what the statements need: `utf8mb4` everywhere, keys of 3072 bytes, and the locks of `InnoDB` as they
/// are described today.
const OLDEST_MYSQL: (u32, u32) = (8, 0);
const OLDEST_MARIADB: (u32, u32) = (10, 5);

/// Size of the largest statement with its arguments, in bytes; four times that of the largest mail or payload.
const PACKET_MIN: i64 = 1 << 20;

/// Whether this is MariaDB.
///
/// # Errors
/// The server is too old, has no `InnoDB`, or takes only short statements.
pub async fn check(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "select version() as version, cast(@@max_allowed_packet as signed) as packet, (select count(*) from
         information_schema.engines where engine = 'InnoDB' and support in ('YES', 'DEFAULT')) as engines",
    );
    let row = row.fetch_one(connection).await?;
    let is_mariadb = check_version(row.try_get("version")?).map_err(refused)?;
    let packet: i64 = row.try_get("packet")?;
    if packet < PACKET_MIN {
        return Err(refused(format!(
            "max_allowed_packet of the server is {packet}, but must be at least {PACKET_MIN}"
        )));
    }
    if row.try_get::<i64, _>("engines")? == 0 {
        return Err(refused("the server has no InnoDB, the only engine with transactions".to_owned()));
    }
    Ok(is_mariadb)
}

/// # Errors
/// A table of the site is stored in an engine without transactions.
pub async fn check_tables(pool: &AnyPool) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "select table_name as name, engine as engine from information_schema.tables where table_schema = database()
         and table_type = 'BASE TABLE' and engine <> 'InnoDB' and (table_name = '_sqlx_migrations' or table_name in
         ('session', 'session_key', 'fauna_token', 'mail', 'throttle', 'write_check')) order by table_name limit 1",
    );
    let Some(row) = row.fetch_optional(pool).await? else { return Ok(()) };
    let (name, engine): (String, String) = (row.try_get("name")?, row.try_get("engine")?);
    let advice = format!("table {name} is stored in {engine}; run: alter table {name} engine = InnoDB");
    Err(refused(advice))
}

fn refused(why: String) -> sqlx::Error {
    sqlx::Error::Configuration(why.into())
}

/// Whether a version is that of MariaDB.
///
/// # Errors
/// It is too old, or cannot be read.
fn check_version(version: &str) -> Result<bool, String> {
    let is_mariadb = version.to_ascii_lowercase().contains("mariadb");
    // Some versions of MariaDB call themselves 5.5.5 first, for old clients.
    let numbers = version.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(version);
    let mut numbers = numbers.split(|digit: char| !digit.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(format!("the server does not say which version it is, but {version:?}"));
    };
    let (name, oldest) = if is_mariadb { ("MariaDB", OLDEST_MARIADB) } else { ("MySQL", OLDEST_MYSQL) };
    if (major, minor) < oldest {
        return Err(format!("the server is {name} {major}.{minor}, but must be at least {}.{}", oldest.0, oldest.1));
    }
    Ok(is_mariadb)
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn older_servers_are_refused() {
        let accepted = [
            ("8.0.11", false),
            ("8.4.2-commercial", false),
            ("9.1.0", false),
            ("10.11.6-MariaDB-0+deb12u1", true),
            ("10.5.0-MariaDB", true),
            ("5.5.5-10.11.6-MariaDB", true),
            ("11.8.3-MariaDB-ubu2404", true),
        ];
        for (version, is_mariadb) in accepted {
            assert_eq!(check_version(version), Ok(is_mariadb), "{version}");
        }
        let refused = [
            ("5.7.44-log", "the server is MySQL 5.7, but must be at least 8.0"),
            ("5.5.5-10.4.34-MariaDB", "the server is MariaDB 10.4, but must be at least 10.5"),
            ("10.3.39-MariaDB-0ubuntu0.20.04.2", "the server is MariaDB 10.3, but must be at least 10.5"),
            ("5.5.5", "the server is MySQL 5.5, but must be at least 8.0"),
            ("eight", "the server does not say which version it is, but \"eight\""),
        ];
        for (version, message) in refused {
            assert_eq!(check_version(version), Err(message.to_owned()), "{version}");
        }
    }
}
