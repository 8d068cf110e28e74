-- Great-circle distance by the haversine formula, on a sphere of 6,371 km.
WITH steps AS (
    SELECT
        user_id,
        paid_at,
        radians(latitude) AS latitude,
        radians(longitude) AS longitude,
        radians(lag(latitude) OVER trail) AS latitude_before,
        radians(lag(longitude) OVER trail) AS longitude_before,
        lag(paid_at) OVER trail AS paid_before
    FROM transactions
    WINDOW trail AS (PARTITION BY user_id ORDER BY paid_at)
),

chords AS (
    SELECT
        user_id,
        paid_at,
        date_diff('second', paid_before, paid_at) / 3600.0 AS hours,
        sin((latitude - latitude_before) / 2) ** 2
        + cos(latitude) * cos(latitude_before) * sin((longitude - longitude_before) / 2) ** 2 AS chord
    FROM steps
),

distances AS (
    SELECT
        user_id,
        paid_at,
        hours,
        -- Rounding may lead above 1. Not least(1, chord), which is 1 where there was no payment before.
        2 * 6371 * asin(sqrt(CASE WHEN chord > 1 THEN 1 ELSE chord END)) AS distance_km
    FROM chords
)

SELECT
    user_id,
    paid_at AS event_timestamp,
    distance_km,
    hours AS hours_since_last,
    -- Two payments within a minute would need any speed: a minute is the least that counts.
    distance_km / greatest(hours, 1 / 60.0) AS speed_kmh
FROM distances
