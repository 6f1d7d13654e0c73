# The images of qarax-server and qarax-node (targets `qarax` and `qarax-node`), from the tree that is the build context.
#   BASE        Debian 12 or 13
#   SKIP_BUILD  non-empty: the programs are those in build/image, made by `cmake --install` on the same Debian, with the
#               packages of their libraries in share/qarax/packages.txt (e2e/run_e2e_tests.sh does both)
# No BuildKit: every stage above a target is built for it. So what changes with each edit comes last in each stage.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG SKIP_BUILD=
WORKDIR /src
COPY scripts/install-deps.sh scripts/
COPY scripts/lib scripts/lib
COPY third_party/packages third_party/packages
RUN [ -n "$SKIP_BUILD" ] || { scripts/install-deps.sh --only third_party/packages/build.debian.txt && rm -rf /var/lib/apt/lists/*; }
COPY . .
RUN if [ -n "$SKIP_BUILD" ]; then \
      cp -a build/image /out; \
    else \
      cmake --preset release && cmake --build build/release && cmake --install build/release --prefix /out --strip && \
      scripts/runtime-packages.sh /out >/out/share/qarax/packages.txt && rm -rf build; \
    fi

FROM ${BASE} AS base
WORKDIR /opt/qarax
COPY scripts/install-deps.sh scripts/
COPY scripts/lib scripts/lib
COPY third_party/packages third_party/packages

FROM base AS qarax
RUN useradd --system --home-dir /var/lib/qarax-server qarax && install -d -o qarax -g qarax -m 700 /var/lib/qarax-server
COPY --from=build /out/share/qarax /usr/share/qarax
RUN scripts/install-deps.sh --only /usr/share/qarax/packages.txt && rm -rf /var/lib/apt/lists/*
COPY e2e/docker/healthy /usr/local/bin/
COPY --from=build /out/bin/qarax-server /usr/bin/
# A library that is missing shows here, not at the first start.
RUN qarax-server --version
USER qarax
ENV QARAX_SERVER_DATA_DIR=/var/lib/qarax-server
EXPOSE 8000
CMD ["qarax-server"]

FROM base AS host
RUN scripts/install-deps.sh --run-only && rm -rf /var/lib/apt/lists/*
COPY e2e/guest e2e/guest
RUN QARAX_GUEST_CACHE=/tmp/guest e2e/guest/build.sh /usr/share/qarax/guest && rm -rf /tmp/guest

FROM host AS qarax-node
COPY --from=build /out/share/qarax /usr/share/qarax
RUN scripts/install-deps.sh --only /usr/share/qarax/packages.txt && rm -rf /var/lib/apt/lists/*
COPY e2e/docker/healthy e2e/docker/node-start /usr/local/bin/
COPY e2e/docker/node.yaml /etc/qarax/node.yaml
COPY --from=build /out/bin/qarax-node /usr/bin/
COPY --from=build /out/libexec/qarax /usr/libexec/qarax
COPY --from=build /out/lib/qarax /usr/lib/qarax
RUN qarax-node --version && qarax-node --config /etc/qarax/node.yaml --check-config
ENV QARAX_NODE_DATA_DIR=/var/lib/qarax
EXPOSE 50051
CMD ["node-start"]
