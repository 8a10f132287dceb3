# The image: `docker build .`; roles by command (`api`, `worker`). The simulator is a target of its own, since the
# product's image holds nothing of src/dev: `docker build --target simulator .`

FROM node:24.21.0-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN node scripts/build.ts

FROM build AS product
RUN rm -rf dist/dev

FROM node:24.21.0-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev

FROM node:24.21.0-slim AS base
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
USER node
ENTRYPOINT ["node", "dist/cli/main.js"]

FROM base AS simulator
COPY --from=build /app/dist dist
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/_sim/calls').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["simulator", "--host", "0.0.0.0", "--port", "8081"]

FROM base AS cratework
ENV HOST=0.0.0.0 METRICS_HOST=0.0.0.0
COPY --from=product /app/dist dist
EXPOSE 8080 9464 9465
# Either role: the API's port is 9464, a worker's 9465, unless METRICS_PORT says otherwise.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "const ports = process.env.METRICS_PORT ? [process.env.METRICS_PORT] : [9464, 9465]; Promise.any(ports.map((port) => fetch(`http://127.0.0.1:${port}/livez`))).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
