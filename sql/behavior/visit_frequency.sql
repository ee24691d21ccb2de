-- How often does each visitor come, as of now? One row per visitor: behavior.visitors with the figures that
-- change with every as-of date. Observed days run from the first visit to the as-of date, both included; with
-- fewer than 30 of them, visits per 30 days are the visits so far, because a first visit yesterday does not
-- make a daily visitor.
with visitors as (
    select
        v.visitor_id,
        v.customer_id,
        v.sessions,
        v.active_days,
        v.recent_active_days,
        v.first_visit_date,
        v.last_visit_date,
        v.median_days_between,
        v.visit_class,
        v.mode_weekday,
        v.mode_hour,
        v.mode_day_part,
        v.weekend_sessions,
        v.weekend_share
    from behavior.visitors as v
),

final as (
    select
        v.visitor_id,
        v.customer_id,
        v.sessions,
        v.active_days,
        v.recent_active_days,
        v.first_visit_date,
        v.last_visit_date,
        c.as_of_date - v.last_visit_date as days_since_last_visit,
        c.as_of_date - v.first_visit_date + 1 as observed_days,
        v.sessions::double precision
        / nullif(greatest(1, (c.as_of_date - v.first_visit_date + 1)::double precision / 30), 0)
            as sessions_per_30_days,
        v.median_days_between,
        v.visit_class,
        v.mode_weekday,
        v.mode_hour,
        v.mode_day_part,
        v.weekend_sessions,
        v.weekend_share
    from visitors as v
    cross join core.clock as c
)

select * from final
