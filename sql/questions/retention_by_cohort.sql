-- How do cohorts hold over time?
-- One row per cohort (who ordered first in one month), the last 24, and `ALL` for all cohorts together: how
-- many of its customers ordered again in the month 1, 3, 6 and 12 months later, and what a customer has
-- brought up to now. NULL where that month has not ended. `ALL` adds up the cohorts that have reached the
-- age, so that its sizes differ by age and its `cohort_size` is that of age 1. The first cohort of the data
-- (`is_left_censored`) mostly bought before.
with cells as (
    select
        r.cohort,
        r.cohort_month,
        r.period_index,
        r.cohort_size,
        r.retained_customers,
        r.retention_rate,
        r.cum_net_sales,
        r.cum_net_sales_per_customer,
        r.is_complete,
        r.is_left_censored,
        r.low_n,
        r.currency
    from cohort.retention as r
    where r.variant = 'all' and r.cohort <> 'none'
),

first_cells as (
    select
        c.cohort,
        c.cohort_month,
        c.cohort_size,
        c.is_left_censored,
        c.low_n,
        c.currency,
        case
            when c.cohort <> 'ALL'
                then row_number() over (order by case c.cohort when 'ALL' then 1 else 0 end, c.cohort_month desc)
        end as place
    from cells as c
    where c.period_index = 0
),

latest as (
    select
        c.cohort,
        max(c.period_index) as period_index
    from cells as c
    where c.is_complete
    group by c.cohort
),

final as (
    select
        f.cohort,
        case f.cohort when 'ALL' then o.cohort_size else f.cohort_size end as cohort_size,
        o.retained_customers as retained_1,
        o.retention_rate as retention_rate_1,
        t.retained_customers as retained_3,
        t.retention_rate as retention_rate_3,
        s.retained_customers as retained_6,
        s.retention_rate as retention_rate_6,
        y.retained_customers as retained_12,
        y.retention_rate as retention_rate_12,
        n.period_index as age,
        n.cum_net_sales,
        n.cum_net_sales_per_customer,
        f.is_left_censored,
        f.low_n,
        f.currency,
        f.cohort_month
    from first_cells as f
    left join cells as o on f.cohort = o.cohort and o.period_index = 1 and o.is_complete
    left join cells as t on f.cohort = t.cohort and t.period_index = 3 and t.is_complete
    left join cells as s on f.cohort = s.cohort and s.period_index = 6 and s.is_complete
    left join cells as y on f.cohort = y.cohort and y.period_index = 12 and y.is_complete
    left join latest as l on f.cohort = l.cohort and f.cohort <> 'ALL'
    left join cells as n on l.cohort = n.cohort and l.period_index = n.period_index
    where coalesce(f.place, 0) <= 24
)

select * from final
order by cohort_month nulls last
