"""The notification proxy: Exchange tells it of new mail, it tells the devices.

    Exchange ──SendNotification──► app ──► ledger (durable queue) ──► dispatcher ──► gateway (APNs, webhook)
                                   soap    ids and watermarks only      │  ▲
                                                                        ▼  │
                                                     lookup through the service account, rules, payload

`emailplus notify serve` runs it. Parsing, deciding and building are pure; lookup and gateways are dialogues of `flow`;
`outgoing` performs them, `ledger` alone writes to the disk. Source: guide, "About Email+ Notification Services".
"""
