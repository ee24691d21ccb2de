-- One row per dimension, member and month (and `all`, for all time): what brings net sales, and how it grows.
-- Every line that counts stands in exactly one member of each dimension, so that the members of a dimension
-- add up to all net sales; dimensions are alternatives and never added together. Attributes are those of now;
-- what is missing is `Unknown`, a line without promotion code `No code`, a line without customer `Guest`, one
-- sold over the counter without a way of shipping `In store`, one of no known visit has the device `unknown`.
-- Money stands in the month of its line, returns in the month of the return; a return that says nothing of
-- payment, code, shipping or visit takes it from the line that it gives back. `orders` and `customers` are
-- distinct within the row; `aov` is what the member brought per order that contains it. From its first month
-- on a member has a row for every month, but products only for months in which a line counts.
with months as (
    select
        m.period,
        m.period_name,
        m.is_complete
    from kpi.monthly as m
),

clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

products as (
    select
        p.product_id,
        p.product_name
    from core.products as p
),

stores as (
    select
        s.store_id,
        s.store_name
    from core.stores as s
),

sums as (
    select p.dimension, p.member, p.month, p.orders, p.customers, p.units, p.sales_value, p.net_sales
    from kpi.product_drivers as p
    union all
    select o.dimension, o.member, o.month, o.orders, o.customers, o.units, o.sales_value, o.net_sales
    from kpi.order_drivers as o
),

members as (
    select
        s.dimension,
        s.member,
        min(s.month) as first_month
    from sums as s
    group by s.dimension, s.member
),

spine as (
    select
        m.dimension,
        m.member,
        n.period as month
    from members as m
    inner join months as n on n.period >= m.first_month
    where m.dimension <> 'product'
    union all
    select
        s.dimension,
        s.member,
        s.month
    from sums as s
    where s.month is null or s.dimension = 'product'
),

filled as (
    select
        p.dimension,
        p.member,
        p.month,
        coalesce(s.orders, 0) as orders,
        coalesce(s.customers, 0) as customers,
        coalesce(s.units, 0) as units,
        coalesce(s.sales_value, 0) as sales_value,
        coalesce(s.net_sales, 0) as net_sales,
        sum(coalesce(s.net_sales, 0)) over (partition by p.dimension, p.month) as all_net_sales,
        lag(p.month) over (partition by p.dimension, p.member order by p.month nulls first) as month_before,
        lag(s.net_sales) over (partition by p.dimension, p.member order by p.month nulls first)
            as net_sales_before
    from spine as p
    left join sums as s
        on p.dimension = s.dimension and p.member = s.member and p.month is not distinct from s.month
),

compared as (
    select
        f.dimension,
        f.member,
        f.month,
        n.period_name,
        coalesce(n.is_complete, true) as is_complete,
        f.orders,
        f.customers,
        f.units,
        f.sales_value,
        f.net_sales,
        f.all_net_sales,
        b.is_complete as is_base_complete,
        case
            when b.period is null then null
            when f.month_before = b.period then coalesce(f.net_sales_before, 0)
            else 0
        end as net_sales_prev
    from filled as f
    left join months as n on f.month = n.period
    left join months as b on b.period = (f.month - interval '1 month')::date
),

final as (
    select
        f.dimension,
        f.member,
        coalesce(f.period_name, 'all') as period_name,
        case
            when f.dimension = 'product' then p.product_name
            when f.dimension = 'store' then s.store_name
            else f.member
        end as member_name,
        f.month as period,
        f.is_complete,
        f.net_sales,
        f.net_sales::double precision / nullif(greatest(f.all_net_sales, 0), 0) as share,
        f.orders,
        f.customers,
        f.units,
        f.sales_value as gross_less_discounts,
        (f.sales_value / nullif(f.orders, 0))::numeric(18, 4) as aov,
        f.net_sales_prev,
        f.net_sales - f.net_sales_prev as net_sales_change,
        case
            when f.is_complete and f.is_base_complete
                then (f.net_sales - f.net_sales_prev)::double precision
                    / nullif(greatest(f.net_sales_prev, 0), 0)
        end as net_sales_growth,
        case
            when f.month is null then null
            when f.net_sales_prev is null then 'no_base'
            when not f.is_complete or not f.is_base_complete then 'incomplete'
            when f.net_sales_prev <= 0 then 'non_positive_base'
        end as growth_note,
        f.orders < c.min_group_size as low_n,
        c.currency
    from compared as f
    cross join clock as c
    left join products as p on f.dimension = 'product' and f.member = p.product_id
    left join stores as s on f.dimension = 'store' and f.member = s.store_id
)

select * from final
