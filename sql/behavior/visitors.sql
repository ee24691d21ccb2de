-- One row per visitor: how often and when they come. A visitor is the customer where known, also by a device
-- that only one customer ever used, and otherwise the device. Days are local days on which a visit began.
-- `visit_class` is decided by these days: `single` (one ever), else by those among the last 28 up to the as-
-- of date: `lapsed` (none), `occasional` (1), `regular` (2-3), `frequent` (4-11), `heavy` (12 and more).
-- Modes take the earliest among equals: Monday first, hour 0 first, night first. Figures that change with
-- every as-of date (visits per 30 days) stand in the view `behavior.visit_frequency`.
with visits as (
    select
        v.visitor_id,
        v.customer_id,
        v.session_date,
        extract(isodow from v.session_date)::int as iso_weekday,
        extract(hour from v.started_at at time zone p.timezone)::int as hour,
        v.purchases,
        v.orders,
        v.net_sales
    from core.visits as v
    cross join core.parameters as p
),

parted as (
    select
        v.visitor_id,
        v.customer_id,
        v.session_date,
        v.iso_weekday,
        v.hour,
        case
            when v.hour < 6 then 1
            when v.hour < 12 then 2
            when v.hour < 18 then 3
            else 4
        end as day_part,
        v.purchases,
        v.orders,
        v.net_sales
    from visits as v
),

counts as (
    select
        p.visitor_id,
        max(p.customer_id) as customer_id,
        count(*) as sessions,
        count(*) filter (where p.iso_weekday >= 6) as weekend_sessions,
        count(*) filter (where p.purchases > 0) as converted_sessions,
        sum(p.orders) as orders,
        sum(p.net_sales) as net_sales,
        mode() within group (order by p.iso_weekday) as mode_weekday,
        mode() within group (order by p.hour) as mode_hour,
        mode() within group (order by p.day_part) as mode_day_part
    from parted as p
    group by p.visitor_id
),

active_days as (
    select
        p.visitor_id,
        p.session_date,
        p.session_date - lag(p.session_date) over (partition by p.visitor_id order by p.session_date) as gap
    from parted as p
    group by p.visitor_id, p.session_date
),

days as (
    select
        a.visitor_id,
        count(*) as active_days,
        count(*) filter (where a.session_date > c.as_of_date - 28) as recent_active_days,
        min(a.session_date) as first_visit_date,
        max(a.session_date) as last_visit_date,
        percentile_cont(0.5) within group (order by a.gap::double precision) as median_days_between
    from active_days as a
    cross join core.clock as c
    group by a.visitor_id
),

final as (
    select
        n.visitor_id,
        n.customer_id,
        n.sessions,
        d.active_days,
        d.recent_active_days,
        d.first_visit_date,
        d.last_visit_date,
        d.median_days_between,
        case
            when d.active_days = 1 then 'single'
            when d.recent_active_days = 0 then 'lapsed'
            when d.recent_active_days = 1 then 'occasional'
            when d.recent_active_days <= 3 then 'regular'
            when d.recent_active_days <= 11 then 'frequent'
            else 'heavy'
        end as visit_class,
        n.mode_weekday,
        n.mode_hour,
        case n.mode_day_part
            when 1 then 'night'
            when 2 then 'morning'
            when 3 then 'afternoon'
            when 4 then 'evening'
        end as mode_day_part,
        n.weekend_sessions,
        n.weekend_sessions::double precision / nullif(n.sessions, 0) as weekend_share,
        n.converted_sessions,
        n.orders,
        n.net_sales
    from counts as n
    inner join days as d on n.visitor_id = d.visitor_id
)

select * from final
