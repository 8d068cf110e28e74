-- A payment's own amount is known at its instant; everything else comes from before it.
SELECT
    user_id,
    paid_at AS event_timestamp,
    amount / nullif(avg(amount) OVER past, 0) AS ratio_to_mean,
    count(*) OVER past AS payments_30d
FROM transactions
WINDOW past AS (
    PARTITION BY user_id
    ORDER BY paid_at
    RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
)
