SELECT
    user_id,
    paid_at AS event_timestamp,
    count(*) OVER one_hour AS payments_1h,
    count(*) OVER one_day AS payments_24h,
    coalesce(sum(amount) OVER one_day, 0) AS amount_24h
FROM transactions
WINDOW
    one_hour AS (
        PARTITION BY user_id
        ORDER BY paid_at
        RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
    ),
    one_day AS (
        PARTITION BY user_id
        ORDER BY paid_at
        RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
    )
