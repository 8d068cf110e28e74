-- The aircraft's last flight out of New York that is over, known when it arrived; its age then.
SELECT
  tailnum, actual_arrival AS event_timestamp,
  arg_max(arr_delay, scheduled_departure) AS last_arrival_delay,
  arg_max(dep_delay, scheduled_departure) AS last_departure_delay,
  arg_max(distance, scheduled_departure) AS last_distance,
  year(actual_arrival) - any_value(planes.year) AS age_years,
  any_value(planes.seats) AS seats
FROM flight_times LEFT JOIN planes USING (tailnum)
WHERE actual_arrival IS NOT NULL AND tailnum IS NOT NULL
GROUP BY tailnum, actual_arrival
