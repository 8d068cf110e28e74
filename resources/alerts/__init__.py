"""Alert channels: one message told by mail, Slack or webhook, kept in an outbox until it arrived."""
