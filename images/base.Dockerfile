# The base of the node image: Debian 12, Python, redis-cli. The only build step that uses the network (Debian's
# packages); it is made once, named elastickv-base, and found again by the hash of this file and its origin.
ARG ORIGIN
FROM ${ORIGIN}
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update -q; \
    apt-get upgrade -y -q --no-install-recommends; \
    apt-get install -y -q --no-install-recommends python3 redis-tools; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
        /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/lintian \
        /usr/bin/redis-benchmark /usr/lib/python3/dist-packages/* ; \
    find /usr/share/locale -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +; \
    find / -xdev -name __pycache__ -prune -exec rm -rf {} +
