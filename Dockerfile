# The command for CPUs:   docker build -t img2features .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" img2features dataset --mode pixels --out features
# With a GPU: Dockerfile.cuda. The two commands are those of README.md: install the package, `setup`.
FROM node:24-bookworm-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-pip g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm pack --pack-destination /tmp
RUN npm install --global /tmp/img2features-*.tgz
ENV IMG2FEATURES_CACHE=/opt/img2features
RUN img2features setup && chmod --recursive go+rX /opt/img2features \
 && install --directory --mode=1777 /opt/img2features /opt/img2features/graphs

FROM node:24-bookworm-slim
COPY --from=build /usr/local/lib/node_modules/img2features /usr/local/lib/node_modules/img2features
COPY --from=build /opt/img2features /opt/img2features
RUN ln -s ../lib/node_modules/img2features/dist/cli.js /usr/local/bin/img2features
ENV IMG2FEATURES_CACHE=/opt/img2features
# "node" of the base image; any other --user works, too.
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["img2features"]
CMD ["--help"]
