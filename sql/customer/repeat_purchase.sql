-- One row per time after the first order (30, 60, 90, 180, 365 days, and all time): how many customers came
-- back within it. Only customers whose first order lies at least that long before the as-of date count for a
-- window (`mature_customers`): the others have had no chance yet. Days are whole local days from the first
-- order to the second. The quantiles and the mean are of those who came back within the window; a second
-- order on the day of the first is a repeat purchase, but no interval, and stays out of them.
with windows as (
    select 1 as sort_order, '30 days' as window_name, 30 as window_days
    union all
    select 2 as sort_order, '60 days' as window_name, 60 as window_days
    union all
    select 3 as sort_order, '90 days' as window_name, 90 as window_days
    union all
    select 4 as sort_order, '180 days' as window_name, 180 as window_days
    union all
    select 5 as sort_order, '365 days' as window_name, 365 as window_days
    union all
    select 6 as sort_order, 'all time' as window_name, null as window_days
),

customers as (
    select
        o.customer_id,
        min(c.as_of_date - o.order_date) filter (where o.order_number = 1) as days_observed,
        min(o.days_since_previous_order) filter (where o.order_number = 2) as days_to_second
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date and o.order_number <= 2
    group by o.customer_id
),

matured as (
    select
        w.window_name,
        count(*) as mature_customers,
        count(*) filter (where m.days_to_second <= coalesce(w.window_days, m.days_to_second))
            as repeat_customers,
        count(*) filter (where m.days_to_second = 0) as same_day_customers,
        sum(m.days_to_second) filter (where m.days_to_second <= coalesce(w.window_days, m.days_to_second))
            as days
    from windows as w
    inner join customers as m on m.days_observed >= coalesce(w.window_days, 0)
    group by w.window_name
),

quantiles as (
    select
        w.window_name,
        percentile_cont(0.25) within group (order by m.days_to_second::double precision) as p25_days,
        percentile_cont(0.5) within group (order by m.days_to_second::double precision) as median_days,
        percentile_cont(0.75) within group (order by m.days_to_second::double precision) as p75_days,
        percentile_cont(0.9) within group (order by m.days_to_second::double precision) as p90_days
    from windows as w
    inner join customers as m
        on m.days_observed >= coalesce(w.window_days, 0)
        and m.days_to_second > 0
        and m.days_to_second <= coalesce(w.window_days, m.days_to_second)
    group by w.window_name
),

counted as (
    select
        w.window_name,
        w.sort_order,
        w.window_days,
        coalesce(m.mature_customers, 0) as mature_customers,
        coalesce(m.repeat_customers, 0) as repeat_customers,
        coalesce(m.same_day_customers, 0) as same_day_customers,
        m.days,
        m.repeat_customers::double precision as k,
        m.mature_customers::double precision as n,
        1.959964::double precision as z
    from windows as w
    left join matured as m on w.window_name = m.window_name
),

bounded as (
    select
        c.window_name,
        (c.k + c.z * c.z / 2) / nullif(c.n + c.z * c.z, 0) as centre,
        c.z * sqrt(c.k * (c.n - c.k) / nullif(c.n, 0) + c.z * c.z / 4) / nullif(c.n + c.z * c.z, 0) as half
    from counted as c
    where c.n > 0
),

final as (
    select
        c.window_name,
        c.sort_order,
        c.window_days,
        c.mature_customers,
        c.repeat_customers,
        c.k / nullif(c.n, 0) as repeat_rate,
        case when b.half is not null then greatest(b.centre - b.half, 0) end as ci_low,
        case when b.half is not null then least(b.centre + b.half, 1) end as ci_high,
        c.mature_customers < p.min_group_size as low_n,
        c.same_day_customers,
        c.days::double precision / nullif(c.repeat_customers - c.same_day_customers, 0)
            as mean_days_to_second,
        q.p25_days as p25_days_to_second,
        q.median_days as median_days_to_second,
        q.p75_days as p75_days_to_second,
        q.p90_days as p90_days_to_second
    from counted as c
    cross join core.parameters as p
    left join bounded as b on c.window_name = b.window_name
    left join quantiles as q on c.window_name = q.window_name
)

select * from final
