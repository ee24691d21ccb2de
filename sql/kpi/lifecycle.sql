-- One row per grain (week, month) and period: which of the customers came, stayed away or came back.
-- Active customers are new (first order ever), retained (also active in the period before) or resurrecting
-- (active before, but not in the period before); dormant ones were active in the period before and are not in
-- this one, and are shown as a negative number, so that active = active before + new + resurrecting +
-- dormant. In the running period many look dormant who have not come yet, and in left-censored ones old
-- customers look new: read both with care.
with periods as (
    select
        p.grain,
        p.period,
        p.period_name,
        p.period_end,
        p.is_complete,
        p.is_left_censored,
        case when p.grain = 'week' then p.period - 7 else (p.period - interval '1 month')::date end
            as previous_period
    from kpi.periods as p
    where p.grain in ('week', 'month')
),

orders as (
    select
        o.customer_id,
        o.order_date,
        o.order_month
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

active as (
    select distinct
        'week' as grain,
        o.customer_id,
        date_trunc('week', o.order_date)::date as period
    from orders as o
    union all
    select distinct
        'month' as grain,
        o.customer_id,
        o.order_month as period
    from orders as o
),

followed as (
    select
        a.grain,
        a.period,
        lag(a.period) over (partition by a.grain, a.customer_id order by a.period) as active_before
    from active as a
),

counts as (
    select
        p.grain,
        p.period,
        p.previous_period,
        p.period_name,
        p.period_end,
        p.is_complete,
        p.is_left_censored,
        count(f.period) as active_customers,
        count(f.period) filter (where f.active_before is null) as new_customers,
        count(f.period) filter (where f.active_before = p.previous_period) as retained_customers,
        count(f.period) filter (where f.active_before < p.previous_period) as resurrecting_customers
    from periods as p
    left join followed as f on p.grain = f.grain and p.period = f.period
    group by
        p.grain, p.period, p.previous_period, p.period_name, p.period_end, p.is_complete, p.is_left_censored
),

final as (
    select
        c.grain,
        c.period,
        c.period_name,
        c.period_end,
        c.is_complete,
        c.is_left_censored,
        coalesce(b.active_customers, 0) as active_customers_prev,
        c.new_customers,
        c.retained_customers,
        c.resurrecting_customers,
        c.retained_customers - coalesce(b.active_customers, 0) as dormant_customers,
        c.active_customers,
        c.retained_customers::double precision / nullif(b.active_customers, 0) as retained_share,
        (c.new_customers + c.resurrecting_customers)::double precision
        / nullif(b.active_customers - c.retained_customers, 0) as quick_ratio
    from counts as c
    left join counts as b on c.grain = b.grain and c.previous_period = b.period
)

select * from final
