# Debian's PostgreSQL behind the variables of the well-known image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
# A place of its own: with steps like the other images' the builder takes their cache for this one's, and misses.
WORKDIR /opt/postgres
COPY scripts/install-deps.sh scripts/
COPY scripts/lib scripts/lib
COPY e2e/docker/postgres.debian.txt ./
# The package would make a cluster of its own, with a password that nobody knows.
RUN mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
    scripts/install-deps.sh --only postgres.debian.txt && rm -rf /var/lib/apt/lists/* && \
    install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
COPY e2e/docker/postgres-start /usr/local/bin/
USER postgres
ENV PGDATA=/var/lib/postgresql/data/cluster
VOLUME /var/lib/postgresql/data
EXPOSE 5432
# Fast shutdown: SIGTERM would wait for clients to leave.
STOPSIGNAL SIGINT
CMD ["postgres-start"]
