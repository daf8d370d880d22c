-- Webhooks and what a person wants to be notified of: ordinary rows, which no entry rests on.

-- Where events are sent to. `position` is the entry up to which they were queued; `lease_*` says which server sends now.
CREATE TABLE webhook (
    id               BYTEA   NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner            TEXT COLLATE "C" NOT NULL,
    kind             TEXT    NOT NULL CHECK (kind IN ('entries', 'notifications')),
    channel          TEXT    CHECK (channel IN ('email', 'sms', 'push')),
    url              TEXT    NOT NULL,
    registers        TEXT    NOT NULL,
    bodies           BIGINT NOT NULL CHECK (bodies IN (0, 1)),
    purpose          TEXT,
    legal_basis      TEXT,
    secret           BYTEA   NOT NULL,
    former_secret    BYTEA,
    former_until     BIGINT,
    state            TEXT    NOT NULL CHECK (state IN ('active', 'disabled')),
    disabled_why     TEXT,
    position         BIGINT NOT NULL CHECK (position >= 0),
    created_at       BIGINT NOT NULL,
    created_by       TEXT    NOT NULL,
    -- Grows with each change that whoever sends must learn of.
    revision         BIGINT NOT NULL,
    lease_holder     BYTEA,
    lease_until      BIGINT NOT NULL,
    CHECK ((kind = 'notifications') = (channel IS NOT NULL)),
    CHECK (bodies = 0 OR (purpose IS NOT NULL AND legal_basis IS NOT NULL))
);
CREATE INDEX webhook_owner ON webhook (owner, id);
-- One gateway a channel: two would tell a person everything twice.
CREATE UNIQUE INDEX webhook_channel ON webhook (channel) WHERE channel IS NOT NULL;

-- A message to a webhook. What it says is made from the journal when it is sent; `person` and `kind` are a notification's.
CREATE TABLE webhook_delivery (
    webhook     BYTEA   NOT NULL,
    id          BYTEA   NOT NULL CHECK (length(id) = 16),
    event       TEXT    NOT NULL CHECK (event IN ('entry', 'test', 'notification')),
    position    BIGINT NOT NULL,
    person      BYTEA,
    kind        TEXT,
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'parked', 'dropped')),
    attempts    BIGINT NOT NULL,
    next_at     BIGINT,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    last_status BIGINT,
    last_fault  TEXT,
    -- Whether its body was written down in `accesses`.
    disclosed   BIGINT NOT NULL CHECK (disclosed IN (0, 1)),
    PRIMARY KEY (webhook, id),
    CHECK ((state = 'waiting') = (next_at IS NOT NULL))
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, next_at, position) WHERE next_at IS NOT NULL;
-- Those that failed: few, whatever waits for the morning.
CREATE INDEX webhook_delivery_again ON webhook_delivery (webhook, position) WHERE next_at IS NOT NULL AND attempts > 0;
CREATE INDEX webhook_delivery_parked ON webhook_delivery (webhook, id) WHERE state = 'parked';
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;

-- What a person wants to be notified of, how and when, as JSON.
CREATE TABLE notification_setting (
    person     BYTEA   NOT NULL PRIMARY KEY CHECK (length(person) = 16),
    settings   TEXT    NOT NULL,
    updated_at BIGINT NOT NULL
);
