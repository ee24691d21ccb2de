-- One row per way to part customers (`variant`), group, cohort and month of its life (`period_index`, from 0).
-- A cohort is who ordered first in one local month, retained is who ordered in the month of the row; returns stand
-- in their own month, so money can be negative without buyers. A month that has not ended has sums, but no
-- quotients. Cohort `ALL` adds up the cohorts whose month has ended (sums over sums); `none`, in variant `all`, is
-- money of no cohort by calendar month: with it and the guests', all cohorts give the total net sales. Variants
-- part the same customers in different ways and must not be added together.
with clock as (
    select
        c.as_of_date,
        c.as_of_is_set,
        c.data_begin_date,
        c.currency,
        p.min_group_size,
        p.data_begin_is_shop_begin
    from core.clock as c
    cross join core.parameters as p
),

groups as (
    select
        g.customer_id,
        g.variant,
        g.dimension_value,
        g.dimension_name,
        g.cohort_month
    from cohort.groups as g
),

customer_months as (
    select
        m.customer_id,
        m.month,
        m.period_index,
        m.orders,
        m.units,
        m.gross_sales,
        m.discounts,
        m.returns,
        m.net_sales,
        m.orders > 0
        and m.period_index = max(m.period_index) filter (where m.orders > 0) over (partition by m.customer_id)
            as is_last_active
    from cohort.customer_months as m
),

cohort_months as (
    select m.cohort_month::date as cohort_month
    from (
        select
            min(g.cohort_month) as first_month,
            max(g.cohort_month) as last_month
        from groups as g
    ) as b
    cross join lateral generate_series(b.first_month, b.last_month, interval '1 month') as m(cohort_month)
),

sizes as (
    select
        g.variant,
        g.dimension_value,
        max(g.dimension_name) as dimension_name,
        g.cohort_month,
        count(*) as cohort_size
    from groups as g
    group by g.variant, g.dimension_value, g.cohort_month
    union all
    select
        'all' as variant,
        'all' as dimension_value,
        'all' as dimension_name,
        m.cohort_month,
        0 as cohort_size
    from cohort_months as m
    where not exists (select 1 from groups as g where g.cohort_month = m.cohort_month)
),

ages as (
    select
        m.cohort_month,
        n.period_index::int as period_index,
        (m.cohort_month + n.period_index::int * interval '1 month')::date as activity_month,
        m.cohort_month = min(m.cohort_month) over () and not k.data_begin_is_shop_begin as is_left_censored
    from cohort_months as m
    cross join clock as k
    cross join lateral generate_series(
        0,
        (extract(year from k.as_of_date)::int - extract(year from m.cohort_month)::int) * 12
        + extract(month from k.as_of_date)::int - extract(month from m.cohort_month)::int
    ) as n(period_index)
),

months as (
    select
        c.month,
        (c.month + interval '1 month')::date - 1 < k.as_of_date
        or ((c.month + interval '1 month')::date - 1 = k.as_of_date and k.as_of_is_set) as is_complete
    from (
        select a.activity_month as month from ages as a
        union
        select m.month from customer_months as m
    ) as c
    cross join clock as k
),

sums as (
    select
        g.variant,
        g.dimension_value,
        g.cohort_month,
        m.period_index,
        count(*) filter (where m.orders > 0) as retained_customers,
        count(*) filter (where m.is_last_active) as last_active,
        sum(m.orders) as orders,
        sum(m.units) as units,
        sum(m.gross_sales) as gross_sales,
        sum(m.discounts) as discounts,
        sum(m.returns) as returns,
        sum(m.net_sales) as net_sales
    from groups as g
    inner join customer_months as m on g.customer_id = m.customer_id
    where m.period_index is not null
    group by g.variant, g.dimension_value, g.cohort_month, m.period_index
),

cells as (
    select
        z.variant,
        z.dimension_value,
        z.dimension_name,
        z.cohort_month,
        a.period_index,
        a.activity_month,
        a.is_left_censored,
        z.cohort_size,
        coalesce(s.retained_customers, 0) as retained_customers,
        coalesce(s.last_active, 0) as last_active,
        coalesce(s.orders, 0) as orders,
        coalesce(s.units, 0) as units,
        coalesce(s.gross_sales, 0) as gross_sales,
        coalesce(s.discounts, 0) as discounts,
        coalesce(s.returns, 0) as returns,
        coalesce(s.net_sales, 0) as net_sales
    from sizes as z
    inner join ages as a on z.cohort_month = a.cohort_month
    left join sums as s
        on z.variant = s.variant
        and z.dimension_value = s.dimension_value
        and z.cohort_month = s.cohort_month
        and a.period_index = s.period_index
),

running as (
    select
        c.variant,
        c.dimension_value,
        c.dimension_name,
        to_char(c.cohort_month, 'YYYY-MM') as cohort,
        c.cohort_month,
        c.period_index,
        c.activity_month,
        case when c.cohort_size > 0 then 1 else 0 end as cohorts,
        c.cohort_size,
        c.retained_customers,
        sum(c.last_active) over (
            partition by c.variant, c.dimension_value, c.cohort_month
            order by c.period_index desc
            rows between unbounded preceding and current row
        ) as retained_at_least_once_since,
        c.orders,
        c.units,
        c.gross_sales,
        c.discounts,
        c.returns,
        c.net_sales,
        sum(c.net_sales) over (
            partition by c.variant, c.dimension_value, c.cohort_month
            order by c.period_index
            rows between unbounded preceding and current row
        ) as cum_net_sales,
        max(c.net_sales) filter (where c.period_index = 0) over (
            partition by c.variant, c.dimension_value, c.cohort_month
        ) as first_net_sales,
        m.is_complete,
        c.is_left_censored
    from cells as c
    inner join months as m on c.activity_month = m.month
),

rows_of_all as (
    select
        r.variant,
        r.dimension_value,
        max(r.dimension_name) as dimension_name,
        r.period_index,
        count(*) as cohorts,
        sum(r.cohort_size) as cohort_size,
        sum(r.retained_customers) as retained_customers,
        sum(r.retained_at_least_once_since) as retained_at_least_once_since,
        sum(r.orders) as orders,
        sum(r.units) as units,
        sum(r.gross_sales) as gross_sales,
        sum(r.discounts) as discounts,
        sum(r.returns) as returns,
        sum(r.net_sales) as net_sales,
        sum(r.cum_net_sales) as cum_net_sales,
        sum(r.first_net_sales) as first_net_sales,
        bool_or(r.is_left_censored) as is_left_censored
    from running as r
    where r.is_complete and r.cohort_size > 0
    group by r.variant, r.dimension_value, r.period_index
),

rows_of_none as (
    select
        m.month,
        (extract(year from m.month)::int - extract(year from k.data_begin_date)::int) * 12
        + extract(month from m.month)::int - extract(month from k.data_begin_date)::int as period_index,
        sum(m.units) as units,
        sum(m.gross_sales) as gross_sales,
        sum(m.discounts) as discounts,
        sum(m.returns) as returns,
        sum(m.net_sales) as net_sales
    from customer_months as m
    cross join clock as k
    where m.period_index is null
    group by m.month, k.data_begin_date
),

rows_of_every_kind as (
    select
        r.variant,
        r.dimension_value,
        r.dimension_name,
        r.cohort,
        r.cohort_month,
        r.period_index,
        r.activity_month,
        r.cohorts,
        r.cohort_size,
        r.retained_customers,
        r.retained_at_least_once_since,
        r.orders,
        r.units,
        r.gross_sales,
        r.discounts,
        r.returns,
        r.net_sales,
        r.cum_net_sales,
        r.first_net_sales,
        r.is_complete,
        r.is_left_censored
    from running as r
    union all
    select
        a.variant,
        a.dimension_value,
        a.dimension_name,
        'ALL' as cohort,
        null as cohort_month,
        a.period_index,
        null as activity_month,
        a.cohorts,
        a.cohort_size,
        a.retained_customers,
        a.retained_at_least_once_since,
        a.orders,
        a.units,
        a.gross_sales,
        a.discounts,
        a.returns,
        a.net_sales,
        a.cum_net_sales,
        a.first_net_sales,
        true as is_complete,
        a.is_left_censored
    from rows_of_all as a
    union all
    select
        'all' as variant,
        'all' as dimension_value,
        'all' as dimension_name,
        'none' as cohort,
        null as cohort_month,
        n.period_index,
        n.month as activity_month,
        0 as cohorts,
        0 as cohort_size,
        0 as retained_customers,
        0 as retained_at_least_once_since,
        0 as orders,
        n.units,
        n.gross_sales,
        n.discounts,
        n.returns,
        n.net_sales,
        sum(n.net_sales) over (order by n.month rows between unbounded preceding and current row)
            as cum_net_sales,
        null as first_net_sales,
        m.is_complete,
        false as is_left_censored
    from rows_of_none as n
    inner join months as m on n.month = m.month
),

rated as (
    select
        e.*,
        case when e.is_complete then e.retained_customers::double precision / nullif(e.cohort_size, 0) end
            as rate,
        1.959964::double precision * 1.959964::double precision / nullif(e.cohort_size, 0) as z2_n
    from rows_of_every_kind as e
),

intervals as (
    select
        r.*,
        (r.rate + r.z2_n / 2) / nullif(1 + r.z2_n, 0) as centre,
        sqrt(r.z2_n * (r.rate * (1 - r.rate) + r.z2_n / 4)) / nullif(1 + r.z2_n, 0) as half_width
    from rated as r
),

final as (
    select
        i.variant,
        i.dimension_value,
        i.dimension_name,
        i.cohort,
        i.period_index,
        i.cohort_month,
        i.activity_month,
        i.cohorts,
        i.cohort_size,
        i.retained_customers,
        i.rate as retention_rate,
        case when i.rate is not null then greatest(i.centre - i.half_width, 0) end as ci_low,
        case when i.rate is not null then least(i.centre + i.half_width, 1) end as ci_high,
        i.retained_at_least_once_since,
        i.orders,
        i.units,
        i.gross_sales,
        i.discounts,
        i.returns,
        i.net_sales,
        case when i.is_complete then ((i.gross_sales - i.discounts) / nullif(i.orders, 0))::numeric(18, 4) end
            as aov,
        case when i.is_complete then (i.net_sales / nullif(i.retained_customers, 0))::numeric(18, 4) end
            as average_sales_per_retained,
        i.cum_net_sales,
        case when i.is_complete then (i.cum_net_sales / nullif(i.cohort_size, 0))::numeric(18, 4) end
            as cum_net_sales_per_customer,
        i.first_net_sales,
        case
            when i.is_complete
                then i.net_sales::double precision / nullif(greatest(i.first_net_sales, 0), 0)
        end as revenue_retention,
        i.is_complete,
        i.is_left_censored,
        i.cohort_size < k.min_group_size as low_n,
        k.currency
    from intervals as i
    cross join clock as k
)

select * from final
