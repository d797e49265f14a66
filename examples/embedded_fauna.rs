//! Runs the embedded Fauna endpoint alone, to try queries or drivers against it:
//!
//! ```text
//! cargo run --example embedded_fauna -- 127.0.0.1:8443 fauna.sqlite secret
//! curl -u secret: -H 'X-FaunaDB-API-Version: 4' http://127.0.0.1:8443 -d '{"add":[1,2]}'
//! ```

use std::path::PathBuf;

use secrecy::SecretString;
use starter::clock::Clock;
use starter::fauna_dev;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    actix_rt::System::new().block_on(serve())
}

/// Starts the endpoint and serves until the process ends.
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(file), Some(root_key)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("arguments: ADDRESS FILE ROOT_KEY".into());
    };
    let running = fauna_dev::start(fauna_dev::Settings {
        listen: listen.parse()?,
        file: PathBuf::from(file),
        root_key: SecretString::from(root_key),
        clock: Clock::system(),
    })
    .await?;
    tracing::info!(address = %running.address(), "the embedded Fauna endpoint is listening");
    std::future::pending::<()>().await;
    running.stop().await;
    Ok(())
}
