//! Serving: the router on a listener, until it is told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::http::AppState;
use crate::routes;

/// Other servers' changes of definitions and departments are taken in so often, where no request asks for them sooner.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Requests under way get so long to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until `shutdown` completes; then lets requests under way end.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let following = tokio::spawn(follow(state.clone()));
    let app = routes::router(state).into_make_service_with_connect_info::<SocketAddr>();
    let (stop, mut stopped) = watch::channel(());
    let graceful = async move {
        shutdown.await;
        // Dropping the sender is the signal.
        drop(stop);
    };
    let serving = axum::serve(listener, app).with_graceful_shutdown(graceful);
    let out_of_patience = async {
        while stopped.changed().await.is_ok() {}
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        ended = serving => ended,
        () = out_of_patience => Ok(()),
    };
    following.abort();
    ended
}

/// Keeps what is in force fresh: a register redefined through another server is redefined here too.
async fn follow(state: AppState) {
    let mut tick = tokio::time::interval(FOLLOW_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = state.registry().refresh().await {
            tracing::warn!(error = %error, "could not read what is in force");
        }
    }
}
