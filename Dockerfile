# syntax=docker/dockerfile:1
# The site as a small image: compiled in one stage, run in another as an unprivileged user.
#
#   docker build -t site .                                   for production, without the embedded Fauna
#   docker build -t site --build-arg CARGO_FLAGS= .          with the embedded Fauna, for trying it out
#
# The root file system may be read-only; only /data is written to.

FROM rust:1.95-bookworm AS build
ARG CARGO_FLAGS=--no-default-features
WORKDIR /src
COPY . .
# Compiled dependencies stay in the build cache, so a change of the sources compiles the sources only.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin actix-fauna-starter $CARGO_FLAGS \
    && install -D target/release/actix-fauna-starter /out/actix-fauna-starter

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin site \
    && install -d -o site -g site -m 0700 /data
COPY --from=build /out/actix-fauna-starter /usr/local/bin/actix-fauna-starter
USER site
WORKDIR /data
ENV LISTEN=0.0.0.0:3000 DATA_DIR=/data LOG_FORMAT=json
VOLUME /data
EXPOSE 3000
# The binary asks itself: the image needs no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["actix-fauna-starter", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["actix-fauna-starter"]
