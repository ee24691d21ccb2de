-- One row per audience and number of active periods: how many come back how often.
-- `customers`: in how many of the last 12 complete calendar months a customer ordered, among those who did at
-- all. `visitors`: on how many of the last 28 complete days a visitor began a visit, robots left out. Every
-- number from 1 to 12 and to 28 has a row; an audience without anybody has none. `share_at_least` reads: so
-- many come at least so often.
with clock as (
    select
        c.as_of_date,
        case when c.as_of_is_set then c.as_of_date else c.as_of_date - 1 end as last_day,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

spans as (
    select
        'customers' as audience,
        'month' as period_length,
        12 as periods,
        (date_trunc('month', c.last_day + 1) - interval '12 months')::date as window_begin,
        date_trunc('month', c.last_day + 1)::date - 1 as window_end,
        c.min_group_size
    from clock as c
    union all
    select
        'visitors' as audience,
        'day' as period_length,
        28 as periods,
        c.last_day - 27 as window_begin,
        c.last_day as window_end,
        c.min_group_size
    from clock as c
),

orders as (
    select
        o.customer_id,
        o.order_date,
        o.order_month
    from core.orders as o
    where o.customer_id is not null
),

visits as (
    select
        v.visitor_id,
        v.session_date
    from core.visits as v
),

active as (
    select distinct
        s.audience,
        o.customer_id as member,
        o.order_month as period
    from orders as o
    inner join spans as s
        on s.audience = 'customers' and o.order_date >= s.window_begin and o.order_date <= s.window_end
    union all
    select distinct
        s.audience,
        v.visitor_id as member,
        v.session_date as period
    from visits as v
    inner join spans as s
        on s.audience = 'visitors' and v.session_date >= s.window_begin and v.session_date <= s.window_end
),

members as (
    select
        a.audience,
        a.member,
        count(*) as active_periods
    from active as a
    group by a.audience, a.member
),

distribution as (
    select
        m.audience,
        m.active_periods,
        count(*) as members
    from members as m
    group by m.audience, m.active_periods
),

totals as (
    select
        d.audience,
        sum(d.members)::bigint as audience_size
    from distribution as d
    group by d.audience
),

spine as (
    select
        s.audience,
        s.period_length,
        g.number::bigint as active_periods,
        s.window_begin,
        s.window_end,
        t.audience_size,
        t.audience_size < s.min_group_size as low_n
    from spans as s
    inner join totals as t on s.audience = t.audience
    cross join lateral generate_series(1, s.periods) as g(number)
),

final as (
    select
        s.audience,
        s.active_periods,
        s.period_length,
        s.window_begin,
        s.window_end,
        coalesce(d.members, 0) as members,
        s.audience_size,
        coalesce(d.members, 0)::double precision / nullif(s.audience_size, 0) as share,
        sum(coalesce(d.members, 0)) over (
            partition by s.audience order by s.active_periods desc rows unbounded preceding
        ) as members_at_least,
        (sum(coalesce(d.members, 0)) over (
            partition by s.audience order by s.active_periods desc rows unbounded preceding
        ))::double precision / nullif(s.audience_size, 0) as share_at_least,
        s.low_n
    from spine as s
    left join distribution as d on s.audience = d.audience and s.active_periods = d.active_periods
)

select * from final
