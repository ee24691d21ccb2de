-- One row per customer and local month with an order, a sale or a return: what the tables of cohorts add up.
-- Orders stand in the month in which they began, money in that of its line; an order belongs to its customer, a
-- line to the customer whom it names, as in `kpi`. `period_index` is NULL for money that belongs to no cohort: of
-- customers without any order in the data (returns of what was bought before), or dated before their cohort.
with clock as (
    select c.as_of_date
    from core.clock as c
),

lines as (
    select
        s.customer_id,
        s.sold_month as month,
        s.line_type,
        s.quantity,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.customer_id is not null and s.sold_date <= c.as_of_date
),

orders as (
    select
        o.customer_id,
        o.order_month as month,
        o.order_number
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

first_months as (
    select
        o.customer_id,
        o.month as cohort_month
    from orders as o
    where o.order_number = 1
),

parts as (
    select
        l.customer_id,
        l.month,
        0 as orders,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.customer_id, l.month
    union all
    select
        o.customer_id,
        o.month,
        count(*) as orders,
        0 as units,
        0 as gross_sales,
        0 as discounts,
        0 as returns,
        0 as net_sales
    from orders as o
    group by o.customer_id, o.month
),

sums as (
    select
        p.customer_id,
        p.month,
        sum(p.orders) as orders,
        sum(p.units) as units,
        sum(p.gross_sales) as gross_sales,
        sum(p.discounts) as discounts,
        sum(p.returns) as returns,
        sum(p.net_sales) as net_sales
    from parts as p
    group by p.customer_id, p.month
),

final as (
    select
        s.customer_id,
        s.month,
        f.cohort_month,
        case
            when s.month >= f.cohort_month
                then (extract(year from s.month)::int - extract(year from f.cohort_month)::int) * 12
                + extract(month from s.month)::int - extract(month from f.cohort_month)::int
        end as period_index,
        s.orders,
        s.units,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from sums as s
    left join first_months as f on s.customer_id = f.customer_id
)

select * from final
