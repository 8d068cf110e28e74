SELECT p.*, c.reported_at
FROM transactions AS p
LEFT JOIN chargebacks AS c USING (transaction_id)
